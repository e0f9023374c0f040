#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

namespace allgrad {

inline constexpr double infinity = std::numeric_limits<double>::infinity();

inline bool all_finite(std::span<const double> values) {
  return std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
}

/// The largest magnitude among values of which NaN does not count, or 0 where that is infinite.
inline double size_of(std::span<const double> values) {
  double largest = 0.0;
  for (const double value : values) largest = std::fmax(largest, std::abs(value));
  return std::isfinite(largest) ? largest : 0.0;
}

}  // namespace allgrad
