#include "schedule/add_directly.hpp"

#include <algorithm>

#include "base/flat_map.hpp"
#include "dsl/kernel_id.hpp"

namespace allgrad {

namespace {

/// Who writes and reads a lane value.
struct LaneValueUses {
  std::size_t writes = 0, reads = 0, reader = 0;
};

}  // namespace

void add_directly(LaneLoop& loop, const std::vector<Buffer>& buffers) {
  std::vector<Instruction>& instructions = loop.instructions;
  const auto is_lane_value = [&](const View& view) { return buffers[view.buffer].kind == Buffer::Kind::lane_value; };
  FlatMap<std::uint64_t, LaneValueUses> uses_of;  // of lane values that are added up, by buffer
  for (const Instruction& sum : instructions) {
    if (sum.kernel == Kernel::copy && sum.adds && is_lane_value(sum.inputs[0])) uses_of[sum.inputs[0].buffer] = {};
  }
  if (uses_of.size() == 0) return;
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    for (const View& view : instructions[i].inputs) {
      const auto uses = uses_of.find(view.buffer);
      if (uses == uses_of.end()) continue;
      ++uses->second.reads;
      uses->second.reader = i;
    }
    const auto uses = uses_of.find(instructions[i].out.buffer);
    if (uses != uses_of.end()) ++uses->second.writes;
  }
  std::vector<bool> gone(instructions.size());
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    const Instruction& first = instructions[i];
    const auto found = uses_of.find(first.out.buffer);
    if (found == uses_of.end() || first.adds || !has_adding_kernel(first.kernel)) continue;
    const LaneValueUses& uses = found->second;
    Instruction& sum = instructions[uses.reader];
    if (uses.writes != 1 || uses.reads != 1 || sum.kernel != Kernel::copy || !sum.adds) continue;
    sum = {first.kernel, true, sum.out, first.inputs, first.node};
    gone[i] = true;
  }
  std::size_t place = 0;
  std::erase_if(instructions, [&](const Instruction&) { return gone[place++]; });
}

}  // namespace allgrad
