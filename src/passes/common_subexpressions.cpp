#include "passes/common_subexpressions.hpp"

#include <algorithm>

#include "base/fingerprint.hpp"
#include "base/flat_map.hpp"
#include "graph/operator.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

std::uint64_t hash_of(const Node& node) {
  Fingerprint hash;
  hash.add(node.op->fingerprint());
  hash.add(static_cast<int>(node.placement));
  for (const Extent& extent : node.shape) {
    hash.add(reinterpret_cast<std::uintptr_t>(extent.rows.get()));  // two tables may have equal names
    hash.add(extent.length);
  }
  for (const Expr& operand : node.operands) hash.add(reinterpret_cast<std::uintptr_t>(operand.node()));
  return hash.value();
}

bool are_same(const Node& a, const Node& b) {
  const auto same_node = [](const Expr& x, const Expr& y) { return x.node() == y.node(); };
  const auto same_op = [&] { return a.op->fingerprint() == b.op->fingerprint() && a.op->same_on_this_rank(*b.op); };
  return (a.op == b.op || same_op()) && a.placement == b.placement && a.shape == b.shape &&
         std::ranges::equal(a.operands, b.operands, same_node);
}

}  // namespace

std::vector<Expr> common_subexpressions(const Graph& graph) {
  FlatMap<std::uint64_t, Expr> first;  // of those with one hash
  first.reserve(graph.size());
  return rewrite(graph, [&](const Expr& expr) {
    const Node& node = *expr.node();
    const bool same_everywhere = node.placement != Placement::partial && node.placement != Placement::per_rank;
    if (node.operands.empty() && !same_everywhere) return expr;  // equal here, maybe not on another rank
    const Expr& known = first.emplace(hash_of(node), expr).first->second;
    return are_same(*known.node(), node) ? known : expr;
  });
}

}  // namespace allgrad
