#pragma once

#include "allgrad/allgrad.hpp"

namespace models {

/// The part of a triweight kernel below z, in units of its standard deviation: 0 below -3, 1 above 3.
inline allgrad::Expr triweight_cdf(const allgrad::Expr& z) {
  const auto t = maximum(-1.0, minimum(1.0, z / 3.0)), t2 = square(t);
  return 0.5 + t * (35.0 - t2 * (35.0 - t2 * (21.0 - 5.0 * t2))) / 32.0;
}

}  // namespace models
