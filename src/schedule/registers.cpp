#include "schedule/registers.hpp"

#include <algorithm>
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

/// The lowest offset at which `lanes` lanes fit between registers in use, which are sorted by offset.
std::size_t first_fit(const std::vector<const Buffer*>& in_use, std::size_t lanes) {
  std::size_t offset = 0;
  for (const Buffer* other : in_use) {
    if (offset + lanes <= other->offset) break;
    offset = std::max(offset, other->offset + other->lanes);
  }
  return offset;
}

}  // namespace

std::size_t allocate_registers(std::vector<Buffer>& buffers, const std::vector<Instruction>& instructions) {
  const auto lives = lifetimes(buffers, instructions);
  std::vector<std::size_t> live;
  std::size_t size = 0;
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    std::erase_if(live, [&](std::size_t buffer) { return lives.at(buffer).last < i; });
    const std::size_t target = instructions[i].out.buffer;
    const auto life = lives.find(target);
    if (life == lives.end() || life->second.first != i) continue;
    std::vector<const Buffer*> in_use;
    for (std::size_t buffer : live) in_use.push_back(&buffers[buffer]);
    std::ranges::sort(in_use, {}, &Buffer::offset);
    buffers[target].offset = first_fit(in_use, buffers[target].lanes);
    size = std::max(size, buffers[target].offset + buffers[target].lanes);
    live.push_back(target);
  }
  return size;
}

}  // namespace allgrad
