#pragma once

#include <cmath>
#include <limits>

namespace allgrad {

/// `value` to be printed: a NaN has a sign, which says nothing.
inline double without_sign_of_nan(double value) {
  return std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value;
}

}  // namespace allgrad
