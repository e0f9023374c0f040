#include "schedule/registers.hpp"

#include <algorithm>
#include <map>
#include <vector>

namespace allgrad {

namespace {

/// A number for each buffer, such as the last place at which a register is touched.
using ByBuffer = std::vector<std::size_t>;

/// Calls touch(buffer) for every register of a kind that the instruction reads or writes.
template <class Touch>
void for_each_register(const Instruction& instruction, const std::vector<Buffer>& buffers, Buffer::Kind kind,
                       Touch touch) {
  for (const View& view : instruction.inputs) {
    if (buffers[view.buffer].kind == kind) touch(view.buffer);
  }
  if (buffers[instruction.out.buffer].kind == kind) touch(instruction.out.buffer);
}

/// Lanes that are free, as ranges that do not touch; the file of registers grows where none is long enough.
class FreeLanes {
 public:
  std::size_t take(std::size_t lanes) {
    for (auto range = free_.begin(); range != free_.end(); ++range) {
      const auto [start, length] = *range;
      if (length < lanes) continue;
      free_.erase(range);
      if (length > lanes) free_[start + lanes] = length - lanes;
      return start;
    }
    std::size_t start = size_;
    if (!free_.empty()) {  // the last free range may be at the end
      const auto last = std::prev(free_.end());
      if (last->first + last->second == size_) {
        start = last->first;
        free_.erase(last);
      }
    }
    size_ = start + lanes;
    return start;
  }

  void give_back(std::size_t start, std::size_t lanes) {
    auto next = free_.lower_bound(start);
    if (next != free_.end() && start + lanes == next->first) {
      lanes += next->second;
      next = free_.erase(next);
    }
    if (next != free_.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second == start) {
        before->second += lanes;
        return;
      }
    }
    free_[start] = lanes;
  }

  std::size_t size() const { return size_; }

 private:
  std::map<std::size_t, std::size_t> free_;  // start to length
  std::size_t size_ = 0;
};

/// Row values, from the lane loop that writes them first to the last that touches them.
std::size_t lay_out_row_values(const std::vector<LaneLoop>& loops, std::vector<Buffer>& buffers, ByBuffer& last) {
  constexpr auto kind = Buffer::Kind::row_value;
  for (std::size_t i = 0; i < loops.size(); ++i) {
    for (const Instruction& instruction : loops[i].instructions) {
      for_each_register(instruction, buffers, kind, [&](std::size_t buffer) { last[buffer] = i; });
    }
  }
  std::vector<std::vector<std::size_t>> ends(loops.size());
  std::vector<bool> placed(buffers.size());
  FreeLanes lanes;
  for (std::size_t i = 0; i < loops.size(); ++i) {
    for (const Instruction& instruction : loops[i].instructions) {
      const std::size_t target = instruction.out.buffer;
      if (buffers[target].kind != kind || placed[target]) continue;
      placed[target] = true;
      buffers[target].offset = lanes.take(buffers[target].lanes);
      ends[last[target]].push_back(target);
    }
    for (std::size_t buffer : ends[i]) lanes.give_back(buffers[buffer].offset, buffers[buffer].lanes);
  }
  return lanes.size();
}

/// Lane values, from the instruction that writes them first to the last that touches them. The result of an instruction
/// may lie where an operand did that is not needed any more.
std::size_t lay_out_lane_values(const LaneLoop& loop, std::vector<Buffer>& buffers, ByBuffer& last,
                                std::vector<bool>& held) {
  constexpr auto kind = Buffer::Kind::lane_value;
  for (std::size_t i = 0; i < loop.instructions.size(); ++i) {
    for_each_register(loop.instructions[i], buffers, kind, [&](std::size_t buffer) { last[buffer] = i; });
  }
  std::vector<std::size_t> free;
  std::size_t size = 0;
  const auto release = [&](std::size_t buffer, std::size_t i) {
    if (last[buffer] != i || !held[buffer]) return;
    held[buffer] = false;
    free.push_back(buffers[buffer].offset);
  };
  for (std::size_t i = 0; i < loop.instructions.size(); ++i) {
    const Instruction& instruction = loop.instructions[i];
    for (const View& view : instruction.inputs) {
      if (buffers[view.buffer].kind == kind) release(view.buffer, i);
    }
    const std::size_t target = instruction.out.buffer;
    if (buffers[target].kind != kind) continue;
    if (!held[target]) {
      if (free.empty()) free.push_back(size++);
      held[target] = true;
      buffers[target].offset = free.back();
      free.pop_back();
    }
    release(target, i);
  }
  return size;
}

}  // namespace

void lay_out_registers(RowLoop& sweep, std::vector<Buffer>& buffers) {
  ByBuffer last(buffers.size());  // written before it is read: a lane value is one of one loop
  std::vector<bool> held(buffers.size());
  sweep.register_lanes = lay_out_row_values(sweep.loops, buffers, last);
  for (LaneLoop& loop : sweep.loops) loop.num_registers = lay_out_lane_values(loop, buffers, last, held);
}

}  // namespace allgrad
