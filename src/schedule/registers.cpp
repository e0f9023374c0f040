#include "schedule/registers.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace allgrad {

namespace {

/// The last place, of those that come one after the other, at which each register of a kind is touched.
using LastTouches = std::unordered_map<std::size_t, std::size_t>;

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
std::size_t lay_out_row_values(const std::vector<LaneLoop>& loops, std::vector<Buffer>& buffers) {
  constexpr auto kind = Buffer::Kind::row_value;
  LastTouches last;
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
      ends[last.at(target)].push_back(target);
    }
    for (std::size_t buffer : ends[i]) lanes.give_back(buffers[buffer].offset, buffers[buffer].lanes);
  }
  return lanes.size();
}

/// Lane values, from the instruction that writes them first to the last that touches them. The result of an instruction
/// may lie where an operand did that is not needed any more.
std::size_t lay_out_lane_values(const LaneLoop& loop, std::vector<Buffer>& buffers) {
  constexpr auto kind = Buffer::Kind::lane_value;
  LastTouches last;
  for (std::size_t i = 0; i < loop.instructions.size(); ++i) {
    for_each_register(loop.instructions[i], buffers, kind, [&](std::size_t buffer) { last[buffer] = i; });
  }
  std::vector<std::size_t> free;
  std::unordered_map<std::size_t, std::size_t> place;
  std::size_t size = 0;
  const auto release = [&](std::size_t buffer, std::size_t i) {
    if (last.at(buffer) != i) return;
    if (const auto held = place.extract(buffer)) free.push_back(held.mapped());
  };
  for (std::size_t i = 0; i < loop.instructions.size(); ++i) {
    const Instruction& instruction = loop.instructions[i];
    for (const View& view : instruction.inputs) {
      if (buffers[view.buffer].kind == kind) release(view.buffer, i);
    }
    const std::size_t target = instruction.out.buffer;
    if (buffers[target].kind != kind) continue;
    if (!place.contains(target)) {
      if (free.empty()) free.push_back(size++);
      place[target] = buffers[target].offset = free.back();
      free.pop_back();
    }
    release(target, i);
  }
  return size;
}

}  // namespace

void lay_out_registers(RowLoop& sweep, std::vector<Buffer>& buffers) {
  sweep.register_lanes = lay_out_row_values(sweep.loops, buffers);
  for (LaneLoop& loop : sweep.loops) loop.num_registers = lay_out_lane_values(loop, buffers);
}

}  // namespace allgrad
