#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace allgrad {

/// Removes every share: each partial value is split into share(s) + r, s replicated and r without shares; linear
/// operators keep the split, and allreduce(share(s) + r) = s + allreduce(r), exactly and without the number of ranks.
/// It leaves an allreduce where ranks contribute, and none where they would only sum equal shares of one value.
std::vector<Expr> cancel_shares(const Graph& graph);

}  // namespace allgrad
