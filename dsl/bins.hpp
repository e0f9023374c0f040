#pragma once

// Sums that do not depend on the order of their terms: each term is cut into multiples of fixed units, which are added
// without rounding. J. Demmel, H. D. Nguyen, "Parallel Reproducible Summation", IEEE Trans. Computers 64 (2015) 2060.
//
// All functions are static: the kernels for each instruction set compile their own, and the linker has none to share.

#include <cstddef>
#include <cstdint>

namespace allgrad {

namespace bins {

/// Bits of a window. The terms of a run are cut by windows: that of the largest term and the two below, so that at
/// least 80 bits below the largest count.
static constexpr int width = 40;
static constexpr int lowest_exponent = -1074;

/// Windows for numbers below 2^926. Larger ones are added as they come, in the order of the rows.
static constexpr std::size_t num_windows = 50;

/// What is kept for each window: multiples of 2^width units, multiples of the unit, and whether it was the highest so
/// far, once. Behind all windows: the sum of what is not finite, that of what is too large, and the number of the
/// highest window so far, counted from 1, which only the rank's own bins have.
static constexpr std::size_t per_window = 3;
static constexpr std::size_t not_finite = per_window * num_windows, too_large = not_finite + 1, highest = too_large + 1,
                             size = highest + 1;

static inline double power_of_2(int exponent) {
  return __builtin_bit_cast(double, static_cast<std::uint64_t>(exponent + 1023) << 52);
}

/// x + shift(t) - shift(t) is x to a multiple of the unit of window t, where x is below 2^width units; 0 below the
/// lowest window, where nothing is left.
static inline double shift(int window) {
  return window < 0 ? 0.0 : 1.5 * power_of_2(52 + width * window + lowest_exponent);
}

/// The window of the largest magnitude of a run, not 0; num_windows and more for numbers that are too large.
static inline int window_of(double magnitude) {
  const auto exponent = static_cast<int>(__builtin_bit_cast(std::uint64_t, magnitude) >> 52);  // 0 for denormals
  const int power = exponent == 0 ? -1023 : exponent - 1023;
  return (power - lowest_exponent) / width;
}

/// Adds what a run of up to 1024 terms has in a window, a multiple of its unit.
static inline void add(double* bins, int window, double part) {
  if (window < 0) return;
  double* at = bins + per_window * static_cast<std::size_t>(window);
  const double low = at[1] + part, carry = (low + shift(window + 1)) - shift(window + 1);
  at[0] += carry;
  at[1] = low - carry;
}

/// Windows below the two under the highest are not needed any more: no later term is cut by them.
static inline void note_highest(double* bins, int window) {
  if (window + 1 <= static_cast<int>(bins[highest])) return;
  bins[highest] = window + 1;
  bins[per_window * static_cast<std::size_t>(window) + 2] = 1.0;
}

/// Adds one term.
static inline void add_term(double* bins, double term) {
  const double magnitude = term < 0.0 ? -term : term;
  if (!(magnitude <= 1.7976931348623157e308)) {
    bins[not_finite] += term;
    return;
  }
  if (magnitude == 0.0) return;
  const int top = window_of(magnitude);
  if (top >= static_cast<int>(num_windows)) {
    bins[too_large] += term;
    return;
  }
  note_highest(bins, top);
  double rest = term;
  for (int window = static_cast<int>(bins[highest]) - 1, last = window - 3; window > last; --window) {
    const double part = (rest + shift(window)) - shift(window);
    add(bins, window, part);
    rest -= part;
  }
}

}  // namespace bins

}  // namespace allgrad
