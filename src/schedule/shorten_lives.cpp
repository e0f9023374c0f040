#include "schedule/shorten_lives.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <unordered_map>

namespace allgrad {

namespace {

/// Who writes and reads a register of a sweep. All numbers are those of loops.
struct Uses {
  std::size_t writes = 0, last_write = 0;
  std::map<std::size_t, std::size_t> reads;  // how many in each loop
  std::optional<View> place;                 // of the first use
  bool in_one_place = true;
};

class RegisterUses {
 public:
  RegisterUses(const std::vector<LaneLoop>& loops, const std::vector<Buffer>& buffers) : buffers_(buffers) {
    for (std::size_t loop = 0; loop < loops.size(); ++loop) {
      for (const Instruction& instruction : loops[loop].instructions) add(instruction, loop);
    }
  }

  /// Of several lanes: one is kept at little cost.
  bool is_register(const View& view) const {
    const Buffer& buffer = buffers_[view.buffer];
    return buffer.kind == Buffer::Kind::row_value && buffer.lanes > 1;
  }
  const Uses& of(const View& view) const { return uses_.at(view.buffer); }

  void add(const Instruction& instruction, std::size_t loop) {
    for (const View& view : instruction.inputs) {
      if (is_register(view)) ++at(view, instruction).reads[loop];
    }
    if (!is_register(instruction.out)) return;
    Uses& uses = at(instruction.out, instruction);
    ++uses.writes;
    uses.last_write = loop;
  }

  void move(const Instruction& instruction, std::size_t from, std::size_t to) {
    for (const View& view : instruction.inputs) {
      if (!is_register(view)) continue;
      auto& reads = uses_.at(view.buffer).reads;
      if (--reads[from] == 0) reads.erase(from);
      ++reads[to];
    }
    uses_.at(instruction.out.buffer).last_write = to;
  }

 private:
  Uses& at(const View& view, const Instruction& instruction) {
    Uses& uses = uses_[view.buffer];
    if (!uses.place) uses.place = view;
    uses.in_one_place = uses.in_one_place && *uses.place == view && !instruction.is_call();
    return uses;
  }

  const std::vector<Buffer>& buffers_;
  std::unordered_map<std::size_t, Uses> uses_;
};

/// Moves instructions whose values one later loop over the same lanes reads, and no other, into that loop.
class Sinker {
 public:
  Sinker(std::vector<LaneLoop>& loops, const std::vector<Buffer>& buffers) : loops_(loops), uses_(loops, buffers) {}

  /// From the last instruction to the first, so that each finds its readers where they will be run.
  void run() {
    std::vector<std::vector<Instruction>> stay(loops_.size()), moved(loops_.size());  // in each loop, the last first
    for (std::size_t loop = loops_.size(); loop-- > 0;) {
      std::vector<Instruction>& instructions = loops_[loop].instructions;
      for (std::size_t i = instructions.size(); i-- > 0;) {
        const std::size_t target = target_of(instructions[i], loop);
        if (target != loop) uses_.move(instructions[i], loop, target);
        (target == loop ? stay[loop] : moved[target]).push_back(std::move(instructions[i]));
      }
    }
    for (std::size_t loop = 0; loop < loops_.size(); ++loop) {
      std::ranges::move(moved[loop], std::back_inserter(stay[loop]));
      std::ranges::reverse(stay[loop]);
      loops_[loop].instructions = std::move(stay[loop]);
    }
    std::erase_if(loops_, [](const LaneLoop& loop) { return loop.instructions.empty(); });
  }

 private:
  /// The loop to move an instruction to, or its own.
  std::size_t target_of(const Instruction& instruction, std::size_t loop) const {
    if (instruction.adds || instruction.is_call() || !uses_.is_register(instruction.out)) return loop;
    const Uses& uses = uses_.of(instruction.out);
    if (uses.writes != 1 || !uses.in_one_place || uses.reads.size() != 1) return loop;
    const std::size_t target = uses.reads.begin()->first;
    if (target == loop || loops_[target].extents != loops_[loop].extents) return loop;
    std::size_t to_keep = 0;  // operands of as many lanes that would have to be kept instead
    for (const View& view : instruction.inputs) {
      if (!uses_.is_register(view)) continue;
      const Uses& input = uses_.of(view);
      if (input.last_write > loop) return loop;
      const bool is_kept = !input.in_one_place || input.last_write != loop || input.reads.rbegin()->first > loop;
      if (!is_kept && input.reads.at(loop) > 1) ++to_keep;
    }
    return to_keep > 1 ? loop : target;
  }

  std::vector<LaneLoop>& loops_;
  RegisterUses uses_;
};

}  // namespace

void shorten_lives(std::vector<LaneLoop>& loops, const std::vector<Buffer>& buffers) {
  const auto has_lanes = [](const LaneLoop& loop) { return !loop.extents.empty(); };
  if (std::ranges::count_if(loops, has_lanes) > 1) Sinker(loops, buffers).run();
}

}  // namespace allgrad
