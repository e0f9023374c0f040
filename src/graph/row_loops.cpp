#include "graph/row_loops.hpp"

#include <algorithm>
#include <utility>

#include "graph/collective_levels.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

/// A sweep over rows: the collectives that come before it, and its table.
using Sweep = std::pair<std::size_t, const RowAxis*>;

bool comes_before(const Sweep& a, const Sweep& b) { return a.first < b.first; }

NodeMap<Sweep> sweeps_of(const std::vector<Expr>& order) {
  const auto level = collective_levels(order);
  NodeMap<Sweep> sweeps;
  for (auto expr = order.rbegin(); expr != order.rend(); ++expr) {
    const Node& node = *expr->node();
    for (const Expr& operand : node.operands) {
      const auto rows = rows_of(operand.shape());
      if (!rows) continue;
      if (!rows_of(node.shape)) sweeps.emplace(&node, Sweep{level.at(&node), rows.get()});
      const auto user = sweeps.find(&node);
      if (user == sweeps.end()) continue;
      const Sweep sweep = user->second;
      Sweep& first = sweeps.emplace(operand.node(), sweep).first->second;
      first = std::min(first, sweep, comes_before);
    }
  }
  return sweeps;
}

}  // namespace

RowLoops row_loops_of(std::span<const Expr> outputs) {
  const std::vector<Expr> order = topological_order(outputs);
  const NodeMap<Sweep> sweeps = sweeps_of(order);
  RowLoops loops;
  std::vector<Sweep> numbered;  // in the order of first use
  for (const Expr& expr : order) {
    const auto sweep = sweeps.find(expr.node());
    if (sweep == sweeps.end()) continue;
    auto known = std::ranges::find(numbered, sweep->second);
    if (known == numbered.end()) {
      loops.tables.push_back(sweep->second.second->table);
      known = numbered.insert(numbered.end(), sweep->second);
    }
    loops.loop_of.emplace(expr.node(), static_cast<std::size_t>(known - numbered.begin()));
  }
  return loops;
}

}  // namespace allgrad
