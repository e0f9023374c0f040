#include "schedule/registers.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <unordered_map>

namespace allgrad {

namespace {

/// From the first instruction that writes a register to the last that touches it.
struct Lifetime {
  std::size_t first;
  std::size_t last;
};

std::unordered_map<std::size_t, Lifetime> lifetimes(const std::vector<Buffer>& buffers,
                                                    const std::vector<Instruction>& instructions) {
  std::unordered_map<std::size_t, Lifetime> result;
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    const auto touch = [&](const View& view) {
      if (buffers[view.buffer].kind != Buffer::Kind::tile) return;
      result.try_emplace(view.buffer, Lifetime{i, i}).first->second.last = i;
    };
    touch(instructions[i].out);
    std::ranges::for_each(instructions[i].inputs, touch);
  }
  return result;
}

/// The lanes of a register file that are not in use below its end.
class FreeLanes {
 public:
  /// The lowest offset at which `lanes` lanes are free; they are in use then.
  std::size_t take(std::size_t lanes) {
    for (auto gap = gaps_.begin(); gap != gaps_.end(); ++gap) {
      const auto [offset, size] = *gap;
      if (size < lanes) continue;
      gaps_.erase(gap);
      if (size > lanes) gaps_.emplace(offset + lanes, size - lanes);
      return offset;
    }
    std::size_t offset = size_;
    if (!gaps_.empty()) {  // the last gap may reach to the end
      const auto last = std::prev(gaps_.end());
      if (last->first + last->second == size_) {
        offset = last->first;
        gaps_.erase(last);
      }
    }
    size_ = offset + lanes;
    return offset;
  }

  void give_back(std::size_t offset, std::size_t lanes) {
    const auto gap = gaps_.emplace(offset, lanes).first;
    if (const auto next = std::next(gap); next != gaps_.end() && next->first == offset + lanes) {
      gap->second += next->second;
      gaps_.erase(next);
    }
    if (gap == gaps_.begin()) return;
    const auto before = std::prev(gap);
    if (before->first + before->second != offset) return;
    before->second += gap->second;
    gaps_.erase(gap);
  }

  std::size_t size() const { return size_; }

 private:
  std::map<std::size_t, std::size_t> gaps_;  // offset -> lanes; none touch each other
  std::size_t size_ = 0;
};

}  // namespace

std::size_t allocate_registers(std::vector<Buffer>& buffers, const std::vector<Instruction>& instructions) {
  const auto lives = lifetimes(buffers, instructions);
  std::vector<std::vector<std::size_t>> last_used(instructions.size());
  for (const auto& [buffer, life] : lives) last_used[life.last].push_back(buffer);
  FreeLanes lanes;
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    const std::size_t target = instructions[i].out.buffer;
    const auto life = lives.find(target);
    if (life != lives.end() && life->second.first == i) buffers[target].offset = lanes.take(buffers[target].lanes);
    for (const std::size_t buffer : last_used[i]) lanes.give_back(buffers[buffer].offset, buffers[buffer].lanes);
  }
  return lanes.size();
}

}  // namespace allgrad
