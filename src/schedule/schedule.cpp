#include "schedule/schedule.hpp"

#include "dsl/kernel_id.hpp"
#include "schedule/add_directly.hpp"
#include "schedule/collapse_axes.hpp"
#include "schedule/fuse_lanes.hpp"
#include "schedule/interleave_sums.hpp"
#include "schedule/keep_rows.hpp"
#include "schedule/lower.hpp"
#include "schedule/regions.hpp"
#include "schedule/registers.hpp"
#include "schedule/verify.hpp"

namespace allgrad {

bool Instruction::is_call() const { return kernel == Kernel::call; }

Schedule make_schedule(const std::vector<Expr>& outputs) {
  const Graph graph = keep_rows(Graph(outputs));
  Schedule schedule = lower(cut_into_regions(graph), graph);
  interleave_sums(schedule);
  for (auto& step : schedule.steps) {
    if (auto* dense = std::get_if<DenseStep>(&step)) {
      for (LaneLoop& loop : dense->loops) collapse_axes(loop, schedule.buffers);
      fuse_lanes(*dense, schedule.buffers);
    } else if (auto* sweep = std::get_if<RowLoop>(&step)) {
      fuse_lanes(*sweep, schedule.buffers);
      for (LaneLoop& loop : sweep->loops) {
        add_directly(loop, schedule.buffers);
        collapse_axes(loop, schedule.buffers);
      }
      lay_out_registers(*sweep, schedule.buffers);
    }
  }
#ifndef NDEBUG
  verify(schedule);
#endif
  return schedule;
}

}  // namespace allgrad
