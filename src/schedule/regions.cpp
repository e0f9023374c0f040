#include "schedule/regions.hpp"

#include <algorithm>

#include "graph/node_map.hpp"
#include "graph/operator.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

bool is_per_row(const Expr& expr) { return expr.placement() == Placement::per_row; }

/// A value that is not per row, but computed from values that are: a sum over rows.
bool is_row_reduction(const Expr& expr) {
  return !is_per_row(expr) && std::ranges::any_of(expr.node()->operands, is_per_row);
}

/// The rows over which a sum over rows goes.
std::shared_ptr<const RowAxis> swept_rows(const Expr& reduction) {
  return rows_of(std::ranges::find_if(reduction.node()->operands, is_per_row)->shape());
}

RowRegion& sweep_of(Region& region, const std::shared_ptr<const RowAxis>& rows) {
  const auto found = std::ranges::find(region.sweeps, rows, &RowRegion::rows);
  return found != region.sweeps.end() ? *found : region.sweeps.emplace_back(RowRegion{rows, {}});
}

/// Puts the values per row that the sums of a sweep need before the sums.
void add_row_values(RowRegion& sweep) {
  NodeSet entered;
  std::vector<Expr> order;
  std::vector<std::pair<Expr, std::size_t>> path;  // a node and its next operand to visit
  for (const Expr& reduction : sweep.nodes) {
    path.emplace_back(reduction, 0);
    while (!path.empty()) {
      auto& [expr, next] = path.back();
      if (next == expr.node()->operands.size()) {
        order.push_back(expr);
        path.pop_back();
        continue;
      }
      const Expr& operand = expr.node()->operands[next++];
      if (is_per_row(operand) && entered.insert(operand.node())) path.emplace_back(operand, 0);
    }
  }
  sweep.nodes = std::move(order);
}

}  // namespace

std::vector<Region> cut_into_regions(const std::vector<Expr>& outputs) {
  std::vector<Region> regions(1);
  NodeMap<std::size_t> ready;  // the region in which a value can be used
  for (const Expr& expr : topological_order(outputs)) {
    std::size_t at = 0;  // the region in which the node can be computed
    for (const Expr& operand : expr.node()->operands) at = std::max(at, ready.at(operand.node()));
    const bool ends_region = is_row_reduction(expr) || expr.node()->op->is_collective();
    ready[expr.node()] = ends_region ? at + 1 : at;
    if (ready[expr.node()] >= regions.size()) regions.emplace_back();
    if (is_per_row(expr)) continue;
    if (is_row_reduction(expr)) {
      sweep_of(regions[at], swept_rows(expr)).nodes.push_back(expr);
    } else {
      (ends_region ? regions[at].collectives : regions[at].dense).push_back(expr);
    }
  }
  for (Region& region : regions) std::ranges::for_each(region.sweeps, add_row_values);
  return regions;
}

}  // namespace allgrad
