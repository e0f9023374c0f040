#include "compile/value_ranges.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "allgrad/reductions.hpp"
#include "base/finite.hpp"
#include "dsl/row_extremum.hpp"
#include "graph/operator.hpp"
#include "graph/traversal.hpp"
#include "passes/cancel_shares.hpp"
#include "passes/insert_allreduce.hpp"

namespace allgrad {

namespace {

bool has_elements(const Expr& value) { return std::ranges::find(value.shape(), Extent(0)) == value.shape().end(); }

/// Smallest, largest, and the number of those that are not finite.
void add_reductions(const Expr& node, const Communicator& comm, std::vector<Expr>& reductions) {
  const Expr value = node.placement() == Placement::per_rank
                         ? make_node(std::make_shared<const FromRank>(comm), {node}, node.node()->where)
                         : node;
  const Expr is_bad = isnan(value - value);
  reductions.push_back(amin(where(is_bad, infinity, value)));
  reductions.push_back(amax(where(is_bad, -infinity, value)));
  reductions.push_back(sum(is_bad));
}

}  // namespace

std::vector<ValueRange> value_ranges(const std::vector<Expr>& outputs, std::span<const InputValue> inputs,
                                     const Communicator& comm, ExecutorKind kind, const Operation& operation) {
  const std::vector<Expr> nodes = cancel_shares(insert_allreduce(topological_order(outputs)));
  std::vector<Expr> reductions;
  for (const Expr& node : nodes) {
    if (has_elements(node)) add_reductions(node, comm, reductions);
  }
  const std::vector<std::vector<double>> numbers = compute(reductions, inputs, comm, kind, operation);
  std::vector<ValueRange> ranges;
  auto next = numbers.begin();
  for (const Expr& node : nodes) {
    ranges.push_back({infinity, -infinity, 0});
    if (!has_elements(node)) continue;
    ranges.back() = {(*next)[0], (*std::next(next))[0], static_cast<std::size_t>((*std::next(next, 2))[0])};
    std::advance(next, 3);
  }
  return ranges;
}

std::string to_text(const std::vector<ValueRange>& ranges) {
  std::string text = fmt::format("{:<8} {:>14} {:>14} {:>12}\n", "node", "smallest", "largest", "not finite");
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const ValueRange& range = ranges[i];
    const bool any = range.smallest <= range.largest;
    const auto number = [&](double value) { return any ? fmt::format("{:.6g}", value) : "-"; };
    text += fmt::format("{:<8} {:>14} {:>14} {:>12}\n", fmt::format("%{}", i), number(range.smallest),
                        number(range.largest), range.num_nonfinite);
  }
  return text;
}

}  // namespace allgrad
