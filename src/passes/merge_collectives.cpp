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

std::vector<Expr> merge_collectives(const std::vector<Expr>& outputs) {
  std::size_t num_collectives = 0;
  for_each_node(outputs, [&](const Expr& expr) { num_collectives += expr.node()->op->is_collective() ? 1 : 0; });
  if (num_collectives < 2) return outputs;

  const std::vector<Expr> order = topological_order(outputs);
  const auto levels = collective_levels(order);
  struct Level {
    std::vector<Expr> collectives, others;
  };
  std::vector<Level> by_level;
  for (const Expr& expr : order) {
    const std::size_t level = levels.at(expr.node());
    if (by_level.size() <= level) by_level.resize(level + 1);
    (expr.node()->op->is_collective() ? by_level[level].collectives : by_level[level].others).push_back(expr);
  }
  Replacements rebuilt;
  for (const Level& level : by_level) {
    if (!level.collectives.empty()) merge(level.collectives, rebuilt);
    for (const Expr& expr : level.others) rebuild(expr, rebuilt);
  }
  return replaced(outputs, rebuilt);
}

}  // namespace allgrad
