#pragma once

// The arithmetic of the reference executor: one number at a time, with the functions of the C library.

#include <cmath>

#include "dsl/special_functions.hpp"

namespace allgrad {

/// Where the functions of math_functions.def are found: those of C++, and one that it lacks.
namespace in_library {

using namespace std;
inline double exp10(double x) { return std::pow(10.0, x); }

}  // namespace in_library

struct Truth {
  bool v;

  friend bool any(Truth x) { return x.v; }
  friend Truth operator!(Truth x) { return {!x.v}; }
  friend Truth operator&&(Truth x, Truth y) { return {x.v && y.v}; }
  friend Truth operator||(Truth x, Truth y) { return {x.v || y.v}; }
};

struct Number {
  double v;

  Number(double number) : v(number) {}
  Number(Truth truth) : v(truth.v ? 1.0 : 0.0) {}

  friend Number operator-(Number x) { return -x.v; }
  friend Number operator+(Number x, Number y) { return x.v + y.v; }
  friend Number operator-(Number x, Number y) { return x.v - y.v; }
  friend Number operator*(Number x, Number y) { return x.v * y.v; }
  friend Number operator/(Number x, Number y) { return x.v / y.v; }
  friend Truth operator<(Number x, Number y) { return {x.v < y.v}; }
  friend Truth operator<=(Number x, Number y) { return {x.v <= y.v}; }
  friend Truth operator>(Number x, Number y) { return {x.v > y.v}; }
  friend Truth operator>=(Number x, Number y) { return {x.v >= y.v}; }
  friend Truth equal(Number x, Number y) { return {x.v == y.v}; }
  friend Truth not_equal(Number x, Number y) { return {x.v != y.v}; }
  friend Number where(Truth truth, Number x, Number y) { return truth.v ? x : y; }

  friend Number abs(Number x) { return std::abs(x.v); }
  friend Number floor(Number x) { return std::floor(x.v); }
  friend Number ceil(Number x) { return std::ceil(x.v); }
  friend Number trunc(Number x) { return std::trunc(x.v); }
  friend Number rint(Number x) { return std::nearbyint(x.v); }
  friend Number sqrt(Number x) { return std::sqrt(x.v); }
  friend Number sign(Number x) { return x.v > 0.0 ? 1.0 : x.v < 0.0 ? -1.0 : x; }
  friend Number maximum(Number x, Number y) { return x.v > y.v ? x : y; }
  friend Number minimum(Number x, Number y) { return x.v < y.v ? x : y; }

  /// x * y, but 0 where either is 0, whatever the other is.
  friend Number safe_product(Number x, Number y) { return x.v == 0.0 || y.v == 0.0 ? 0.0 : x.v * y.v; }

  /// x * y - product, exactly: what rounding left of the product.
  friend Number product_error(Number x, Number y, Number product) { return std::fma(x.v, y.v, -product.v); }

#define ALLGRAD_MATH(name) \
  friend Number name(Number x) { return in_library::name(x.v); }
#define ALLGRAD_MATH_2(name) \
  friend Number name(Number x, Number y) { return in_library::name(x.v, y.v); }
#include "dsl/math_functions.def"
#define ALLGRAD_SPECIAL_1(name) \
  friend Number name(Number x) { return special::name(x.v); }
#define ALLGRAD_SPECIAL_2(name) \
  friend Number name(Number x, Number y) { return special::name(x.v, y.v); }
#include "dsl/special_functions.def"
};

}  // namespace allgrad
