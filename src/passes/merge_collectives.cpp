#include "passes/merge_collectives.hpp"

#include <algorithm>

#include "graph/collective_levels.hpp"
#include "dsl/collectives.hpp"
#include "dsl/concatenate.hpp"
#include "dsl/reshape.hpp"
#include "dsl/slice.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

using Rebuilt = std::unordered_map<const Node*, Expr>;

std::vector<Expr> rebuilt_operands(const Expr& expr, const Rebuilt& rebuilt) {
  std::vector<Expr> operands;
  for (const Expr& operand : expr.node()->operands) operands.push_back(rebuilt.at(operand.node()));
  return operands;
}

/// One allreduce in place of several, whose operands are rebuilt already.
void merge(const std::vector<Expr>& members, Rebuilt& rebuilt) {
  if (members.size() == 1) {
    rebuilt[members[0].node()] = with_operands(members[0], rebuilt_operands(members[0], rebuilt));
    return;
  }
  const Node& first = *members[0].node();
  const NodeOrigin origin(first.where, std::ranges::all_of(members, [](const Expr& e) { return e.node()->backward; }));
  std::vector<Expr> parts;
  for (const Expr& member : members) {
    parts.push_back(reshaped(rebuilt_operands(member, rebuilt)[0], {Extent(num_lanes(member.shape()))}));
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
  std::size_t last = 0;
  for (const Expr& output : outputs) last = std::max(last, levels.at(output.node()));

  Rebuilt rebuilt;
  for (std::size_t level = 0; level <= last; ++level) {
    std::vector<Expr> collectives, others;
    for (const Expr& expr : order) {
      if (levels.at(expr.node()) == level) (expr.node()->op->is_collective() ? collectives : others).push_back(expr);
    }
    if (!collectives.empty()) merge(collectives, rebuilt);
    for (const Expr& expr : others) rebuilt[expr.node()] = with_operands(expr, rebuilt_operands(expr, rebuilt));
  }
  std::vector<Expr> result;
  for (const Expr& output : outputs) result.push_back(rebuilt.at(output.node()));
  return result;
}

}  // namespace allgrad
