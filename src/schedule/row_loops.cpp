#include "schedule/row_loops.hpp"

#include "schedule/regions.hpp"

namespace allgrad {

RowLoops row_loops_of(const std::vector<Expr>& outputs) {
  RowLoops loops;
  for (const Region& region : cut_into_regions(outputs)) {
    for (const RowRegion& sweep : region.sweeps) {
      for (const Expr& expr : sweep.nodes) loops.loop_of.emplace(expr.node(), loops.tables.size());
      loops.tables.push_back(sweep.rows->table);
    }
  }
  return loops;
}

}  // namespace allgrad
