#pragma once

// Values of elementwise operators that take more than a line: templates for numbers and SIMD batches, whose functions
// they find by their type; for batches, the type names the instruction set. The longer ones are not inlined: each is
// part of many loops. Where a function depends on its operand steeply, what rounding leaves of an intermediate value is
// carried along: product_error(x, y, p) is x * y - p.

#include "dsl/inverse_erf.hpp"
#include "dsl/power_below.hpp"

namespace allgrad {

/// Whether x is a whole number from 0 to below `length`.
template <class T>
auto is_position(const T& x, double length) {
  return x >= 0.0 && x < length && equal(x, trunc(x));
}

/// x between low and high, and high where low is above it; NaN where one of them is.
template <class T>
[[gnu::noinline]] T clipped(const T& x, const T& low, const T& high) {
  const T raised = where(x < low, low, x);
  return where(equal(low, low) && equal(high, high), where(raised > high, high, raised), low + high);
}

/// exp(scale * x^2), for a scale that is a power of 2 but for its sign.
template <class T>
T exp_of_square(const T& x, double scale) {
  const T a = minimum(T(40.0), T(abs(x))), square = a * a;  // beyond 40 the value is 0 or infinite
  return exp(scale * square) * (1.0 + scale * product_error(a, a, square));
}

/// log(1 + exp(x)).
template <class T>
[[gnu::noinline]] T log_of_1_plus_exp(const T& x) {
  return where(x > 0.0, x, 0.0) + log1p(exp(-abs(x)));
}

/// log(1 / (1 + exp(-x))).
template <class T>
[[gnu::noinline]] T log_of_logistic(const T& x) {
  return -log_of_1_plus_exp<T>(-x);
}

/// log(exp(x) + exp(y)).
template <class T>
[[gnu::noinline]] T log_of_sum_of_exp(const T& x, const T& y) {
  constexpr double log_of_2 = 0.693147180559945309;
  const T larger = where(x < y, y, x);
  return where(equal(x, y), x + log_of_2, larger + log1p(exp(-abs(x - y))));
}

/// exp(x^2) * erfc(x); from 12 on, where erfc is nearly 0, by its asymptotic series in 1 / (2 x^2).
template <class T>
[[gnu::noinline]] T scaled_erfc(const T& x) {
  T value = exp_of_square<T>(x, 1.0) * erfc(x);
  if (any(x > 12.0)) {
    const T t = 0.5 / (x * x);
    T sum = 1.0 - 21.0 * t;
    for (double k = 19.0; k > 0.0; k -= 2.0) sum = 1.0 - k * t * sum;
    value = where(x > 12.0, 0.564189583547756287 / x * sum, value);
  }
  return value;
}

/// erfc(-x / sqrt(2)) / 2.
template <class T>
[[gnu::noinline]] T cumulative_normal(const T& x) {
  constexpr double c = 0.70710678118654752, c_error = -4.8336466567264565e-17;  // their sum is sqrt(1/2)
  constexpr double inverse_root_pi = 0.564189583547756287;
  const T t = -x * c;
  const T value = 0.5 * erfc(t), slope = inverse_root_pi * exp(-t * t);
  return where(slope > 0.0, value + slope * (product_error(x, T(c), T(-t)) + x * c_error), value);
}

/// log of the cumulative normal distribution.
template <class T>
[[gnu::noinline]] T log_of_cumulative_normal(const T& x) {
  constexpr double c = 0.70710678118654752;
  const T tail = cumulative_normal<T>(-abs(x));
  const T right = log1p(-tail);
  if (!any(x < 0.0)) return right;
  const T left = log(0.5 * scaled_erfc<T>(T(-c * x))) - 0.5 * x * x;
  return where(x < 0.0, left, right);
}

}  // namespace allgrad
