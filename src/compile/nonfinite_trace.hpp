#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "graph/node.hpp"

namespace allgrad {

/// A value that a loss or its gradient is computed from.
struct TracedValue {
  Expr value;
  Expr node;                                ///< of the loss: what has the value, or is differentiated
  std::optional<std::size_t> operand = {};  ///< by which it is: the value is the derivative times the node's cotangent
  std::vector<std::size_t> from = {};       ///< the traced values that it is computed from, which come before it
};

/// All values that a loss, the last of them, is computed from.
std::vector<TracedValue> trace_loss(const Expr& loss);

/// The same of its gradient, which is the last: values of the loss, then derivatives in backward order.
std::vector<TracedValue> trace_gradient(const Expr& loss, const Expr& params, const std::vector<bool>& frozen);

/// Of a value that has elements which are not finite, and that has them first.
struct FirstNonfinite {
  std::size_t index;  ///< among the traced values
  Expr rows;          ///< 1 in the rows where it has them, else 0 [rows]; empty where it is not per row
};

/// The values of the expressions that `build` makes, which are not per row. Collective; what `build` throws on any rank
/// is raised on all.
using Compute = std::function<std::vector<std::vector<double>>(const std::function<std::vector<Expr>()>& build)>;

/// The first value that is not finite although all are that it is computed from, of those by which the last one is not
/// finite; nothing where the last one is finite. Row by row: a row is to blame for what the same row makes of it.
std::optional<FirstNonfinite> find_first(const std::vector<TracedValue>& values, const Compute& compute);

/// 1 where a value, of a partial one the total, has elements that are not finite, else 0: [rows] for a value per row,
/// else [].
Expr has_nonfinite(const Expr& value);

}  // namespace allgrad
