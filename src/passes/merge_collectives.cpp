#include "passes/merge_collectives.hpp"

#include <algorithm>

#include "dsl/collectives.hpp"
#include "dsl/concatenate.hpp"
#include "dsl/reshape.hpp"
#include "dsl/slice.hpp"
#include "graph/collective_levels.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

/// One allreduce in place of several, whose operands are rebuilt already.
void merge(const std::vector<Expr>& members, Replacements& rebuilt) {
  if (members.size() == 1) return rebuild(members[0], rebuilt);
  const Node& first = *members[0].node();
  const NodeOrigin origin(first.where, std::ranges::all_of(members, [](const Expr& e) { return e.node()->backward; }));
  std::vector<Expr> parts;
  for (const Expr& member : members) {
    parts.push_back(reshaped(replaced(member.node()->operands[0], rebuilt), {Extent(num_lanes(member.shape()))}));
  }
  const Expr message = allreduce(concatenate_axis(std::move(parts), 0, first.where));
  std::size_t start = 0;
  for (const Expr& member : members) {
    const NodeOrigin member_origin(member.node()->where, member.node()->backward);
    const std::size_t size = num_lanes(member.shape());
    rebuilt.emplace(member.node(), reshaped(slice_axis(message, 0, start, size, member.node()->where), member.shape()));
    start += size;
  }
}

}  // namespace

std::vector<Expr> merge_collectives(const Graph& graph) {
  const auto is_collective = [](const Expr& expr) { return expr.node()->op->is_collective(); };
  if (std::ranges::count_if(graph.nodes(), is_collective) < 2) return graph.outputs();

  const auto levels = collective_levels(graph.nodes());
  struct Level {
    std::vector<Expr> collectives, others;
  };
  std::vector<Level> by_level;
  for (const Expr& expr : graph.nodes()) {
    const std::size_t level = levels.at(expr.node());
    if (by_level.size() <= level) by_level.resize(level + 1);
    (is_collective(expr) ? by_level[level].collectives : by_level[level].others).push_back(expr);
  }
  Replacements rebuilt;
  for (const Level& level : by_level) {
    if (!level.collectives.empty()) merge(level.collectives, rebuilt);
    for (const Expr& expr : level.others) rebuild(expr, rebuilt);
  }
  return replaced(graph.outputs(), rebuilt);
}

}  // namespace allgrad
