#include "schedule/regions.hpp"

#include <algorithm>

#include "graph/operator.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

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

/// Puts the values per row that the sums of a sweep need before the sums. `entered` has a false flag for each node, and
/// has again afterwards.
void add_row_values(RowRegion& sweep, const Graph& graph, std::vector<bool>& entered) {
  std::vector<Graph::Number> order;
  std::vector<std::pair<Graph::Number, std::size_t>> path;  // a node and its next operand to visit
  for (const Graph::Number reduction : sweep.nodes) {
    path.emplace_back(reduction, 0);
    while (!path.empty()) {
      auto& [node, next] = path.back();
      if (next == graph.operands(node).size()) {
        order.push_back(node);
        path.pop_back();
        continue;
      }
      const Graph::Number operand = graph.operands(node)[next++];
      if (!is_per_row(graph.nodes()[operand]) || entered[operand]) continue;
      entered[operand] = true;
      path.emplace_back(operand, 0);
    }
  }
  for (const Graph::Number node : order) entered[node] = false;
  sweep.nodes = std::move(order);
}

}  // namespace

std::vector<Region> cut_into_regions(const Graph& graph) {
  std::vector<Region> regions(1);
  std::vector<std::size_t> ready(graph.size());  // the region in which a value can be used
  for (Graph::Number node = 0; node < graph.size(); ++node) {
    const Expr& expr = graph.nodes()[node];
    std::size_t at = 0;  // the region in which the node can be computed
    for (const Graph::Number operand : graph.operands(node)) at = std::max(at, ready[operand]);
    const bool ends_region = is_row_reduction(expr) || expr.node()->op->is_collective();
    ready[node] = ends_region ? at + 1 : at;
    if (ready[node] >= regions.size()) regions.emplace_back();
    if (is_per_row(expr)) continue;
    if (is_row_reduction(expr)) {
      sweep_of(regions[at], swept_rows(expr)).nodes.push_back(node);
    } else {
      (ends_region ? regions[at].collectives : regions[at].dense).push_back(node);
    }
  }
  std::vector<bool> entered(graph.size());
  for (Region& region : regions) {
    for (RowRegion& sweep : region.sweeps) add_row_values(sweep, graph, entered);
  }
  return regions;
}

}  // namespace allgrad
