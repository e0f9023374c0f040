#pragma once

#include <span>
#include <vector>

#include "allgrad/expr.hpp"

namespace allgrad {

/// The derivatives of values along a direction of an input, as further nodes of the graph (forward mode): a value of
/// shape s has a tangent of shape s, in the placement of the value, for the direction has the shape of the input. Empty
/// where a value does not depend on the direction by structure.
std::vector<Expr> tangents(std::span<const Expr> values, const Expr& input, const Expr& direction);

/// The derivatives of a value [...], which is not per row, by a vector [n], the input: [..., n], a tangent for each of
/// its elements, in the placement of the value. 0 for the elements that are `frozen` ([n] or empty).
Expr jacobian(const Expr& value, const Expr& input, const std::vector<bool>& frozen = {});

}  // namespace allgrad
