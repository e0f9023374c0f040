#pragma once

#include <vector>

#include "allgrad/expr.hpp"

namespace allgrad {

/// The Gauss-Newton matrix [n, n] of a replicated scalar by `params` [n], as further nodes of the graph: of its second
/// derivatives what is left without those of the values that it is cut at. With c these values and J = dc/dp, it is
/// J^T d(by c)/dp + d(by p)/dp of the gradients by each with the other held. It is partial, as the gradient is.
///
/// The graph is cut, from the output down, at residuals that are squared, square(r) or r * r, and at the `statistics`
/// (empty where there are none).
Expr gauss_newton(const Expr& output, const Expr& statistics, const Expr& params, const std::vector<bool>& frozen);

}  // namespace allgrad
