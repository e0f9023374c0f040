#pragma once

// The arithmetic of the kernels: xsimd batches, with the vector math of glibc's libmvec where there is one for the
// instruction set. The only place that chooses between the two. Included by kernels.cpp alone.

#include <cstddef>
#include <cstdint>
#include <xsimd/xsimd.hpp>

#include "dsl/special_functions.hpp"

namespace allgrad::kernels {

template <class A>
struct Mask {
  xsimd::batch_bool<double, A> m;

  friend bool any(const Mask& mask) { return xsimd::any(mask.m); }
  friend Mask operator!(const Mask& mask) { return {!mask.m}; }
};

/// A batch of doubles; A is an xsimd architecture, which is thus part of every symbol's name.
template <class A>
struct Batch {
  using Raw = xsimd::batch<double, A>;
  static constexpr std::size_t size = Raw::size;

  Raw v;

  Batch(const Raw& raw) : v(raw) {}
  Batch(double number) : v(number) {}
  Batch(const Mask<A>& mask) : v(xsimd::select(mask.m, Raw(1.0), Raw(0.0))) {}

  static Batch load(const double* address) { return Raw::load_unaligned(address); }
  /// The numbers at positions of a table, element by element in xsimd 8.
  static Batch gather(const double* table, const std::int64_t* positions) {
#if defined(__AVX512F__)
    return Raw(_mm512_i64gather_pd(_mm512_loadu_si512(positions), table, sizeof(double)));
#elif defined(__AVX2__)
    const auto* address = reinterpret_cast<const __m256i*>(positions);
    return Raw(_mm256_i64gather_pd(table, _mm256_loadu_si256(address), sizeof(double)));
#else
    return Raw::gather(table, xsimd::batch<std::int64_t, A>::load_unaligned(positions));
#endif
  }
  void store(double* address) const { v.store_unaligned(address); }

  friend Batch operator-(const Batch& x) { return -x.v; }
  friend Batch operator+(const Batch& x, const Batch& y) { return x.v + y.v; }
  friend Batch operator-(const Batch& x, const Batch& y) { return x.v - y.v; }
  friend Batch operator*(const Batch& x, const Batch& y) { return x.v * y.v; }
  friend Batch operator/(const Batch& x, const Batch& y) { return x.v / y.v; }
  friend Mask<A> operator<(const Batch& x, const Batch& y) { return {x.v < y.v}; }
  friend Mask<A> operator<=(const Batch& x, const Batch& y) { return {x.v <= y.v}; }
  friend Mask<A> operator>(const Batch& x, const Batch& y) { return {x.v > y.v}; }
  friend Mask<A> operator>=(const Batch& x, const Batch& y) { return {x.v >= y.v}; }
  friend Mask<A> equal(const Batch& x, const Batch& y) { return {x.v == y.v}; }
  /// NaN is not equal to anything; xsimd's != says otherwise for some instruction sets.
  friend Mask<A> not_equal(const Batch& x, const Batch& y) { return {!(x.v == y.v)}; }
  friend Batch where(const Mask<A>& mask, const Batch& x, const Batch& y) { return xsimd::select(mask.m, x.v, y.v); }

  friend Batch abs(const Batch& x) { return xsimd::abs(x.v); }
  /// Zeros keep their sign; xsimd's do not for some instruction sets.
  friend Batch floor(const Batch& x) { return xsimd::copysign(xsimd::floor(x.v), x.v); }
  friend Batch ceil(const Batch& x) { return xsimd::copysign(xsimd::ceil(x.v), x.v); }
  friend Batch trunc(const Batch& x) { return xsimd::copysign(xsimd::trunc(x.v), x.v); }
  friend Batch rint(const Batch& x) { return xsimd::copysign(xsimd::nearbyint(x.v), x.v); }
  friend Batch sqrt(const Batch& x) { return xsimd::sqrt(x.v); }
  /// NaN stays NaN, as in the reference executor.
  friend Batch sign(const Batch& x) { return where(x > 0.0, 1.0, where(x < 0.0, -1.0, x)); }
  friend Batch maximum(const Batch& x, const Batch& y) { return where(x > y, x, y); }
  friend Batch minimum(const Batch& x, const Batch& y) { return where(x < y, x, y); }

  /// x * y, but 0 where either is 0, whatever the other is.
  friend Batch safe_product(const Batch& x, const Batch& y) {
#if defined(__AVX512F__)
    const __m512d zero = _mm512_setzero_pd();  // what is not 0, also NaN, is multiplied, what is left is 0
    const __mmask8 x_counts = _mm512_cmp_pd_mask(x.v, zero, _CMP_NEQ_UQ);
    return Raw(_mm512_maskz_mul_pd(_mm512_mask_cmp_pd_mask(x_counts, y.v, zero, _CMP_NEQ_UQ), x.v, y.v));
#elif defined(__AVX2__)
    const __m256d zero = _mm256_setzero_pd();
    const __m256d x_counts = _mm256_cmp_pd(x.v, zero, _CMP_NEQ_UQ), y_counts = _mm256_cmp_pd(y.v, zero, _CMP_NEQ_UQ);
    return Raw(_mm256_and_pd(_mm256_and_pd(x_counts, y_counts), _mm256_mul_pd(x.v, y.v)));
#else
    return where(equal(x, 0.0) || equal(y, 0.0), 0.0, x * y);
#endif
  }

  /// x * y - product, exactly: what rounding left of the product; NaN where that or a number on the way is not finite.
  friend Batch product_error(const Batch& x, const Batch& y, const Batch& product) {
#if defined(__AVX512F__)
    return Raw(_mm512_fmsub_pd(x.v, y.v, product.v));  // xsimd's fms rounds twice for some instruction sets
#elif defined(__FMA__)
    return Raw(_mm256_fmsub_pd(x.v, y.v, product.v));
#else
    const auto upper_half = [](const Batch& number) {  // Dekker's products of halves, which are exact
      const Batch scaled = 134217729.0 * number;
      return scaled - (scaled - number);
    };
    const Batch x1 = upper_half(x), x2 = x - x1, y1 = upper_half(y), y2 = y - y1;
    return ((x1 * y1 - product) + x1 * y2 + x2 * y1) + x2 * y2;
#endif
  }
};

template <class A>
Mask<A> operator&&(const Mask<A>& x, const Mask<A>& y) {
  return {x.m & y.m};
}

template <class A>
Mask<A> operator||(const Mask<A>& x, const Mask<A>& y) {
  return {x.m | y.m};
}

// name(batch) by libmvec's symbol for the instruction set of the file, or by xsimd.
#if defined(ALLGRAD_LIBMVEC) && defined(__AVX512F__)
using MvecRegister = __m512d;
#define ALLGRAD_MVEC(arguments, name) _ZGVeN8##arguments##_##name
#elif defined(ALLGRAD_LIBMVEC) && defined(__AVX2__)
using MvecRegister = __m256d;
#define ALLGRAD_MVEC(arguments, name) _ZGVdN4##arguments##_##name
#elif defined(ALLGRAD_LIBMVEC)
using MvecRegister = __m128d;
#define ALLGRAD_MVEC(arguments, name) _ZGVbN2##arguments##_##name
#endif

#ifdef ALLGRAD_LIBMVEC
#define ALLGRAD_MATH(name)                                      \
  extern "C" MvecRegister ALLGRAD_MVEC(v, name)(MvecRegister);  \
  template <class A>                                            \
  Batch<A> name(const Batch<A>& x) {                            \
    return xsimd::batch<double, A>(ALLGRAD_MVEC(v, name)(x.v)); \
  }
#define ALLGRAD_MATH_2(name)                                                  \
  extern "C" MvecRegister ALLGRAD_MVEC(vv, name)(MvecRegister, MvecRegister); \
  template <class A>                                                          \
  Batch<A> name(const Batch<A>& x, const Batch<A>& y) {                       \
    return xsimd::batch<double, A>(ALLGRAD_MVEC(vv, name)(x.v, y.v));         \
  }
#else
#define ALLGRAD_MATH(name)           \
  template <class A>                 \
  Batch<A> name(const Batch<A>& x) { \
    return xsimd::name(x.v);         \
  }
#define ALLGRAD_MATH_2(name)                            \
  template <class A>                                    \
  Batch<A> name(const Batch<A>& x, const Batch<A>& y) { \
    return xsimd::name(x.v, y.v);                       \
  }
#endif

#include "dsl/math_functions.def"

// Element by element, by functions that are compiled once.
#define ALLGRAD_SPECIAL_1(name)                                    \
  template <class A>                                               \
  [[gnu::noinline]] Batch<A> name(const Batch<A>& x) {             \
    double numbers[Batch<A>::size];                                \
    x.store(numbers);                                              \
    for (double& number : numbers) number = special::name(number); \
    return Batch<A>::load(numbers);                                \
  }
#define ALLGRAD_SPECIAL_2(name)                                                                     \
  template <class A>                                                                                \
  [[gnu::noinline]] Batch<A> name(const Batch<A>& x, const Batch<A>& y) {                           \
    double first[Batch<A>::size], second[Batch<A>::size];                                           \
    x.store(first);                                                                                 \
    y.store(second);                                                                                \
    for (std::size_t i = 0; i < Batch<A>::size; ++i) first[i] = special::name(first[i], second[i]); \
    return Batch<A>::load(first);                                                                   \
  }
#include "dsl/special_functions.def"

}  // namespace allgrad::kernels
