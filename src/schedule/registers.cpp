#include "schedule/registers.hpp"

#include <algorithm>
#include <iterator>
#include <map>

namespace allgrad {

namespace {

/// From the first instruction that writes a register to the last that touches it.
struct Lifetime {
  std::size_t first = none;
  std::size_t last = none;

  static constexpr std::size_t none = static_cast<std::size_t>(-1);
};

/// Of each buffer; those that are no registers have none.
std::vector<Lifetime> lifetimes(const std::vector<Buffer>& buffers, const std::vector<Instruction>& instructions) {
  std::vector<Lifetime> result(buffers.size());
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    const auto touch = [&](const View& view) {
      if (buffers[view.buffer].kind != Buffer::Kind::tile) return;
      Lifetime& life = result[view.buffer];
      if (life.first == Lifetime::none) life.first = i;
      life.last = i;
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
  std::vector<Lifetime> lives = lifetimes(buffers, instructions);
  FreeLanes lanes;
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    const std::size_t target = instructions[i].out.buffer;
    if (lives[target].first == i) buffers[target].offset = lanes.take(buffers[target].lanes);
    const auto end = [&](const View& view) {
      if (lives[view.buffer].last != i) return;
      lives[view.buffer].last = Lifetime::none;  // given back once
      lanes.give_back(buffers[view.buffer].offset, buffers[view.buffer].lanes);
    };
    end(instructions[i].out);
    std::ranges::for_each(instructions[i].inputs, end);
  }
  return lanes.size();
}

}  // namespace allgrad
