#pragma once

#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace allgrad {

/// `value` to be printed: a NaN has a sign, which says nothing.
inline double without_sign_of_nan(double value) {
  return std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value;
}

/// Parameters, or a gradient, [ndim] as text: "log_m1 = 11.6, beta = 1.2".
std::string named(std::span<const std::string> names, std::span<const double> values);

/// The same, but "[11.6, 1.2]" where no parameter was given a name: for results, which show all fields so.
std::string named_or_listed(std::span<const std::string> names, std::span<const double> values);

}  // namespace allgrad
