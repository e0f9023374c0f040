#pragma once

#include <memory>
#include <vector>

#include "graph/graph.hpp"

namespace allgrad {

/// What one sweep over the rows of a table computes, in order: values per row, and the sums over rows that need them.
struct RowRegion {
  std::shared_ptr<const RowAxis> rows;
  std::vector<Graph::Number> nodes;
};

/// What can be computed once the region before is done: values that are not per row, sweeps over rows, and the messages
/// between ranks.
struct Region {
  std::vector<Graph::Number> dense;
  std::vector<RowRegion> sweeps;
  std::vector<Graph::Number> collectives;
};

/// Cuts a graph by what depends on what: a node comes as early as its operands allow, a value per row again in each
/// sweep that needs it. So a table is swept as often as sums over its rows need sums that come before, not more.
std::vector<Region> cut_into_regions(const Graph& graph);

}  // namespace allgrad
