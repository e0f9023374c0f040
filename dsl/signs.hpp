#pragma once

#include "graph/node.hpp"

namespace allgrad {

/// What is known of the sign of all elements of a value by its kind, whatever the parameters are: of a square, of an
/// exponential, of sums and products of such, as in exp(-0.5 * square(x)). NaN has either sign.
struct Signs {
  bool never_negative = false, never_positive = false;
};

/// Looks at a few operations only, behind which nothing is known.
Signs signs_of(const Expr& expr);

}  // namespace allgrad
