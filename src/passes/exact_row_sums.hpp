#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace allgrad {

/// Totals each sum over rows, into bins too, at once, in a way that does not depend on the order of its terms, so that
/// all that follows is the same to the bit however rows are dealt out to ranks. Each becomes a share of its total, for
/// cancel_shares to remove with the allreduces that stood further on. A graph in which a rank's own share of a sum is
/// asked for is left as it is.
std::vector<Expr> exact_row_sums(const Graph& graph);

/// The same for those that depend on no input, before they are folded: the constants are then the same on any number of
/// ranks, too.
std::vector<Expr> exact_constant_row_sums(const Graph& graph);

}  // namespace allgrad
