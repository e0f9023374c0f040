#include "schedule/unroll_lanes.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "dsl/kernel_id.hpp"

namespace allgrad {

namespace {

std::size_t lanes_of(const LaneLoop& loop) {
  std::size_t lanes = 1;
  for (const std::size_t extent : loop.extents) lanes *= extent;
  return lanes;
}

/// Instructions that the code of a loop is worth, written out: sums at positions are added row by row.
std::size_t code_size_of(const LaneLoop& loop) {
  constexpr std::size_t of_scatter = 40;
  std::size_t size = 0;
  for (const Instruction& instruction : loop.instructions) {
    size += instruction.kernel == Kernel::scatter_add ? of_scatter : 1;
  }
  return lanes_of(loop) * size;
}

/// The lane of a view at a place in the axes of its loop.
View lane_at(const View& view, const std::vector<std::size_t>& place) {
  auto lane = static_cast<std::ptrdiff_t>(view.offset);
  for (std::size_t axis = 0; axis < place.size(); ++axis) {
    lane += static_cast<std::ptrdiff_t>(place[axis]) * view.strides[axis];
  }
  return {view.buffer, static_cast<std::size_t>(lane), {}};
}

void append_lanes(const LaneLoop& loop, std::vector<Instruction>& instructions) {
  std::vector<std::size_t> place(loop.extents.size());
  for (std::size_t lane = 0; lane < lanes_of(loop); ++lane) {
    for (const Instruction& instruction : loop.instructions) {
      Instruction& one = instructions.emplace_back(instruction);
      one.out = lane_at(instruction.out, place);
      std::ranges::transform(instruction.inputs, one.inputs.begin(),
                             [&](const View& view) { return lane_at(view, place); });
    }
    for (std::size_t axis = place.size(); axis-- > 0;) {  // the next place: the last axis runs fastest
      if (++place[axis] < loop.extents[axis]) break;
      place[axis] = 0;
    }
  }
}

}  // namespace

bool is_joinable(const Instruction& instruction, const std::vector<Buffer>& buffers) {
  if (instruction.kernel != Kernel::take && instruction.kernel != Kernel::scatter_add) {
    return is_elementwise(instruction.kernel);
  }
  constexpr double few = 16.0;  // a kernel holds so many in registers, which takes less time
  constexpr double most = std::numeric_limits<std::int32_t>::max();
  const double* table = numbers_of(instruction.inputs[2], buffers);
  return instruction.kernel == Kernel::take ? table[0] > few && table[0] <= most : table[0] * table[1] <= most;
}

std::vector<LaneLoop> unroll_lanes(const std::vector<LaneLoop>& loops, const std::vector<Buffer>& buffers) {
  std::vector<LaneLoop> result;
  LaneLoop unrolled;
  const auto finish = [&] {
    if (!unrolled.instructions.empty()) result.push_back(std::exchange(unrolled, {}));
  };
  for (const LaneLoop& loop : loops) {
    const bool all_joinable = std::ranges::all_of(
        loop.instructions, [&](const Instruction& instruction) { return is_joinable(instruction, buffers); });
    const std::size_t size = code_size_of(loop);
    if (!all_joinable || size > longest_chain) {
      finish();
      result.push_back(loop);
      continue;
    }
    if (unrolled.instructions.size() + size > longest_chain) finish();
    append_lanes(loop, unrolled.instructions);
  }
  finish();
  return result;
}

}  // namespace allgrad
