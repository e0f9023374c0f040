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
  if (members.size() == 1) {
    rebuilt[members[0].node()] = with_replaced_operands(members[0], rebuilt);
    return;
  }
  const Node& first = *members[0].node();
  const NodeOrigin origin(first.where, std::ranges::all_of(members, [](const Expr& e) { return e.node()->backward; }));
  std::vector<Expr> parts;
  for (const Expr& member : members) {
    parts.push_back(reshaped(rebuilt.at(member.node()->operands[0].node()), {Extent(num_lanes(member.shape()))}));
  }
  const Expr message = allreduce(concatenate_axis(std::move(parts), 0, first.where));
  std::size_t start = 0;
  for (const Expr& member : members) {
    const NodeOrigin member_origin(member.node()->where, member.node()->backward);
    const std::size_t size = num_lanes(member.shape());
    rebuilt[member.node()] = reshaped(slice_axis(message, 0, start, size, member.node()->where), member.shape());
    start += size;
  }
}

}  // namespace

std::vector<Expr> merge_collectives(const std::vector<Expr>& outputs) {
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
  if (std::ranges::all_of(by_level, [](const Level& level) { return level.collectives.size() < 2; })) return outputs;

  Replacements rebuilt;
  for (const Level& level : by_level) {
    if (!level.collectives.empty()) merge(level.collectives, rebuilt);
    for (const Expr& expr : level.others) rebuilt[expr.node()] = with_replaced_operands(expr, rebuilt);
  }
  return replaced(outputs, rebuilt);
}

}  // namespace allgrad
