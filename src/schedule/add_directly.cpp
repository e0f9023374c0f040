#include "schedule/add_directly.hpp"

#include <algorithm>
#include <unordered_map>

#include "dsl/kernel_id.hpp"

namespace allgrad {

namespace {

/// Who writes and reads a lane value.
struct Uses {
  std::size_t writes = 0, reads = 0, reader = 0;
};

}  // namespace

void add_directly(LaneLoop& loop, const std::vector<Buffer>& buffers) {
  std::vector<Instruction>& instructions = loop.instructions;
  const auto is_lane_value = [&](const View& view) { return buffers[view.buffer].kind == Buffer::Kind::lane_value; };
  std::unordered_map<std::size_t, Uses> uses_of;  // by buffer
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    for (const View& view : instructions[i].inputs) {
      if (!is_lane_value(view)) continue;
      ++uses_of[view.buffer].reads;
      uses_of[view.buffer].reader = i;
    }
    if (is_lane_value(instructions[i].out)) ++uses_of[instructions[i].out.buffer].writes;
  }
  std::vector<bool> gone(instructions.size());
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    const Instruction& first = instructions[i];
    if (!is_lane_value(first.out) || first.adds || !has_adding_kernel(first.kernel)) continue;
    const Uses& uses = uses_of.at(first.out.buffer);
    Instruction& sum = instructions[uses.reader];
    if (uses.writes != 1 || uses.reads != 1 || sum.kernel != Kernel::copy || !sum.adds) continue;
    sum = {first.kernel, true, sum.out, first.inputs, first.node};
    gone[i] = true;
  }
  std::size_t place = 0;
  std::erase_if(instructions, [&](const Instruction&) { return gone[place++]; });
}

}  // namespace allgrad
