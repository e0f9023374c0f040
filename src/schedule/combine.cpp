#include "schedule/combine.hpp"

#include <algorithm>
#include <iterator>
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
#define ALLGRAD_UNARY_PAIR(inner, outer) {Kernel::inner, Kernel::outer, Side::first, Kernel::inner##_##outer},
#define ALLGRAD_PAIR_OF_UNARY(inner, outer, operand) ALLGRAD_PAIR(inner, outer, operand)
#include "dsl/pairs.def"
};

bool is_commutative(Kernel kernel) {
  return kernel == Kernel::add || kernel == Kernel::multiply || kernel == Kernel::safe_multiply;
}

/// True for what may be computed twice rather than stored.
bool is_cheap(Kernel kernel) {
  return kernel == Kernel::add || kernel == Kernel::subtract || kernel == Kernel::multiply;
}

std::optional<Kernel> pair_of(Kernel inner, Kernel outer, Side side) {
  if (is_commutative(outer)) side = Side::first;
  const auto pair = std::ranges::find_if(
      pairs, [&](const Pair& p) { return p.inner == inner && p.outer == outer && p.side == side; });
  return pair == std::end(pairs) ? std::nullopt : std::optional(pair->kernel);
}

/// `second` on what `first` gives, as one instruction; nothing where there is no kernel for that.
std::optional<Instruction> combined(const Instruction& first, const Instruction& second) {
  if (first.adds) return std::nullopt;
  if (second.kernel == Kernel::copy) {
    if (!second.adds || !has_adding_kernel(first.kernel)) return std::nullopt;
    return Instruction{first.kernel, true, second.out, first.inputs, first.node};
  }
  const auto gives = [&](const View& view) { return view.buffer == first.out.buffer; };
  if (std::ranges::count_if(second.inputs, gives) != 1) return std::nullopt;
  const Side side = gives(second.inputs[0]) ? Side::first : Side::second;
  const auto kernel = pair_of(first.kernel, second.kernel, side);
  if (!kernel) return std::nullopt;
  Instruction both{*kernel, second.adds, second.out, first.inputs, second.node};
  std::ranges::remove_copy_if(second.inputs, std::back_inserter(both.inputs), gives);
  return both;
}

/// Who writes a lane value, and the places of those who read it.
struct Uses {
  std::size_t writes = 0;
  std::vector<std::size_t> readers;
};

class Combiner {
 public:
  Combiner(std::vector<Instruction>& instructions, const std::vector<Buffer>& buffers)
      : instructions_(instructions), buffers_(buffers), gone_(instructions.size()) {
    for (std::size_t i = 0; i < instructions.size(); ++i) {
      note_reads(i);
      if (is_lane_value(instructions[i].out)) ++uses_[instructions[i].out.buffer].writes;
    }
  }

  /// From the last instruction to the first, so that each finds its readers as they will be run.
  void run() {
    for (std::size_t i = instructions_.size(); i-- > 0;) {
      if (is_lane_value(instructions_[i].out)) try_to_join(i);
    }
    std::size_t place = 0;
    std::erase_if(instructions_, [&](const Instruction&) { return gone_[place++]; });
  }

 private:
  bool is_lane_value(const View& view) const { return buffers_[view.buffer].kind == Buffer::Kind::lane_value; }

  void note_reads(std::size_t i) {
    for (const View& view : instructions_[i].inputs) {
      if (is_lane_value(view)) uses_[view.buffer].readers.push_back(i);
    }
  }

  /// Joins the instruction to all that read what it gives, if that leaves fewer.
  void try_to_join(std::size_t i) {
    const Instruction first = instructions_[i];
    const Uses uses = uses_.at(first.out.buffer);
    const std::size_t most = is_cheap(first.kernel) ? 2 : 1;
    if (uses.writes != 1 || uses.readers.empty() || uses.readers.size() > most) return;
    std::vector<Instruction> joined;
    for (const std::size_t reader : uses.readers) {
      auto both = combined(first, instructions_[reader]);
      if (!both) return;
      joined.push_back(std::move(*both));
    }
    for (const View& view : first.inputs) {
      if (is_lane_value(view)) std::erase(uses_.at(view.buffer).readers, i);
    }
    for (std::size_t k = 0; k < joined.size(); ++k) {
      instructions_[uses.readers[k]] = std::move(joined[k]);
      for (const View& view : first.inputs) {
        if (is_lane_value(view)) uses_.at(view.buffer).readers.push_back(uses.readers[k]);
      }
    }
    gone_[i] = true;
  }

  std::vector<Instruction>& instructions_;
  const std::vector<Buffer>& buffers_;
  std::vector<bool> gone_;
  std::unordered_map<std::size_t, Uses> uses_;
};

}  // namespace

void combine(LaneLoop& loop, const std::vector<Buffer>& buffers) { Combiner(loop.instructions, buffers).run(); }

}  // namespace allgrad
