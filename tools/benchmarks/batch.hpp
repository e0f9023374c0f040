#pragma once

// What the hand-written loops compute with: the compiler's vector types, as wide as the processor has them, and
// glibc's vector math.

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace limits {

#if defined(__AVX512F__)
constexpr std::size_t lanes = 8;
#define LIMITS_MVEC(arguments, name) _ZGVeN8##arguments##_##name
#elif defined(__AVX2__)
constexpr std::size_t lanes = 4;
#define LIMITS_MVEC(arguments, name) _ZGVdN4##arguments##_##name
#else
constexpr std::size_t lanes = 2;
#define LIMITS_MVEC(arguments, name) _ZGVbN2##arguments##_##name
#endif

/// A batch of doubles; arithmetic, comparisons and `mask ? x : y` work on each.
typedef double Batch __attribute__((vector_size(lanes * sizeof(double))));

#define LIMITS_MATH(name)                       \
  extern "C" Batch LIMITS_MVEC(v, name)(Batch); \
  inline Batch name(Batch x) { return LIMITS_MVEC(v, name)(x); }
LIMITS_MATH(exp)
LIMITS_MATH(exp10)
LIMITS_MATH(expm1)
LIMITS_MATH(log)
LIMITS_MATH(log10)
LIMITS_MATH(log1p)
LIMITS_MATH(sin)
LIMITS_MATH(cos)
LIMITS_MATH(erf)
LIMITS_MATH(sinh)

extern "C" Batch LIMITS_MVEC(vv, pow)(Batch, Batch);
inline Batch pow(Batch x, double y) { return LIMITS_MVEC(vv, pow)(x, Batch{} + y); }

inline Batch abs(Batch x) { return x < 0.0 ? -x : x; }

inline double total(Batch x) {
  double sum = 0.0;
  for (std::size_t k = 0; k < lanes; ++k) sum += x[k];
  return sum;
}

/// The rows of a full batch.
struct Full {
  Batch load(const double* column) const {
    Batch x;
    std::memcpy(&x, column, sizeof x);
    return x;
  }
  Batch keep(Batch x) const { return x; }
};

/// The last rows, fewer than a batch: filled up with the last of them, which the sums leave out.
struct Part {
  std::size_t count;

  Batch load(const double* column) const {
    Batch x;
    for (std::size_t k = 0; k < lanes; ++k) x[k] = column[k < count ? k : count - 1];
    return x;
  }
  Batch keep(Batch x) const {
    for (std::size_t k = count; k < lanes; ++k) x[k] = 0.0;
    return x;
  }
};

/// Calls body(first row, Full or Part) for each batch of rows. What is added to a sum goes through `keep`.
template <class Body>
void for_each_batch(std::size_t num_rows, Body body) {
  std::size_t row = 0;
  for (; row + lanes <= num_rows; row += lanes) body(row, Full{});
  if (row < num_rows) body(row, Part{num_rows - row});
}

/// Batches that go through one function after the other, where many sums would not stay in registers between calls.
constexpr std::size_t tile = 16;

/// Calls body(first row, number of batches up to `tile`, Full or Part) for all rows.
template <class Body>
void for_each_tile(std::size_t num_rows, Body body) {
  std::size_t row = 0;
  while (row + lanes <= num_rows) {
    const std::size_t batches = std::min(tile, (num_rows - row) / lanes);
    body(row, batches, Full{});
    row += batches * lanes;
  }
  if (row < num_rows) body(row, std::size_t{1}, Part{num_rows - row});
}

}  // namespace limits
