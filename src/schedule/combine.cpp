#include "schedule/combine.hpp"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "dsl/kernel_id.hpp"

namespace allgrad {

namespace {

enum class Side { first, second };

struct Pair {
  Kernel inner, outer;
  Side side;  ///< which operand of the outer operation the inner one gives
  Kernel kernel;
};

constexpr Pair pairs[] = {
#define ALLGRAD_PAIR(inner, outer, operand) \
  {Kernel::inner, Kernel::outer, Side::operand, Kernel::inner##_##outer##_##operand},
#include "dsl/pairs.def"
};

bool is_commutative(Kernel kernel) { return kernel == Kernel::add || kernel == Kernel::multiply; }

std::optional<Kernel> pair_of(Kernel inner, Kernel outer, Side side) {
  if (is_commutative(outer)) side = Side::first;
  const auto pair = std::ranges::find_if(
      pairs, [&](const Pair& p) { return p.inner == inner && p.outer == outer && p.side == side; });
  return pair == std::end(pairs) ? std::nullopt : std::optional(pair->kernel);
}

/// `second` on what `first` gives, as one instruction; nothing where there is no kernel for that.
std::optional<Instruction> combined(const Instruction& first, const Instruction& second) {
  if (second.kernel == Kernel::copy && second.adds) {
    return has_adding_kernel(first.kernel)
               ? std::optional(Instruction{first.kernel, true, second.out, first.inputs, first.node})
               : std::nullopt;
  }
  if (second.inputs.size() != 2) return std::nullopt;
  const bool is_first = second.inputs[0].buffer == first.out.buffer;
  const auto kernel = pair_of(first.kernel, second.kernel, is_first ? Side::first : Side::second);
  if (!kernel) return std::nullopt;
  return Instruction{*kernel,
                     second.adds,
                     second.out,
                     {first.inputs[0], first.inputs[1], second.inputs[is_first ? 1 : 0]},
                     second.node};
}

/// Who writes a lane value, and how often it is written and read.
struct Uses {
  std::size_t writer = 0, writes = 0, reads = 0;
};

}  // namespace

void combine(LaneLoop& loop, const std::vector<Buffer>& buffers) {
  std::unordered_map<std::size_t, Uses> uses;
  const auto is_lane_value = [&](const View& view) { return buffers[view.buffer].kind == Buffer::Kind::lane_value; };
  for (std::size_t i = 0; i < loop.instructions.size(); ++i) {
    const Instruction& instruction = loop.instructions[i];
    for (const View& view : instruction.inputs) {
      if (is_lane_value(view)) ++uses[view.buffer].reads;
    }
    if (is_lane_value(instruction.out)) uses[instruction.out.buffer] = {i, uses[instruction.out.buffer].writes + 1, 0};
  }
  std::vector<bool> gone(loop.instructions.size());
  for (std::size_t i = loop.instructions.size(); i-- > 0;) {
    for (bool again = !gone[i]; again;) {  // an instruction that adds up a product may be one more half of a pair
      again = false;
      const Instruction& second = loop.instructions[i];
      for (const View& view : second.inputs) {
        if (!is_lane_value(view)) continue;
        const Uses& use = uses.at(view.buffer);
        if (use.writes != 1 || use.reads != 1 || loop.instructions[use.writer].adds) continue;
        auto both = combined(loop.instructions[use.writer], second);
        if (!both) continue;
        gone[use.writer] = true;
        loop.instructions[i] = std::move(*both);
        again = true;
        break;
      }
    }
  }
  std::vector<Instruction> rest;
  for (std::size_t i = 0; i < gone.size(); ++i) {
    if (!gone[i]) rest.push_back(std::move(loop.instructions[i]));
  }
  loop.instructions = std::move(rest);
}

}  // namespace allgrad
