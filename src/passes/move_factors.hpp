#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace allgrad {

/// Moves factors that vary along fewer axes than what they multiply towards the results, where they meet each other and
/// leave sums: sum(c * x) becomes c * sum(x), (a / c) * b becomes (a * b) * (1 / c), -(2 * x) becomes -2 * x. What no
/// row changes is thus multiplied once per evaluation, divided by once, and a sum of products costs one operation for
/// each row and lane.
///
/// Factors pass products, quotients, sums and changes of axes; addends stay where they are, but for powers of 2 that
/// both terms of a sum or difference share. Zeros keep their signs, and NaN and infinity of what is multiplied stay.
/// A factor that is not finite makes a sum NaN or infinite before as after, maybe the other of the two: infinity * x is
/// NaN where x is 0, infinity * (x + y) is not. What is summed over no elements keeps its factors.
std::vector<Expr> move_factors(const Graph& graph);

}  // namespace allgrad
