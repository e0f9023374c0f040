#pragma once

// The derivative of a power by its base needs the power whose exponent is less by 1: a quotient, where a power costs as
// much as ten. A template for numbers and SIMD batches, whose functions it finds by their type.

#include <limits>

namespace allgrad {

/// x raised to y - 1, given z = x raised to y. T is a number or a SIMD batch.
template <class T>
[[gnu::noinline]] T lower_power(const T& x, const T& y, const T& z) {
  T power = z / x;
  const T size = abs(z);
  const auto is_exact = size >= std::numeric_limits<double>::min() && size <= std::numeric_limits<double>::max();
  if (any(!is_exact)) power = where(is_exact, power, pow(x, y - 1.0));  // 0, infinite, or with too few digits
  return power;
}

}  // namespace allgrad
