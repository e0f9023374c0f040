#pragma once

#include "dsl/elementwise_functions.hpp"

namespace allgrad {

/// The value column of operators.def as functions of numbers of any type that has the arithmetic; unused operands are
/// common.
template <class T>
struct Formulas {
#define ALLGRAD_UNARY(name, linearity, value, ...) \
  static T name##_of(const T& x, const T&, const T&) { return value; }
#define ALLGRAD_BINARY(name, linearity, value, ...) \
  static T name##_of(const T& x, const T& y, const T&) { return value; }
#define ALLGRAD_TERNARY(name, linearity, value, ...) \
  static T name##_of(const T& x, const T& y, const T& z) { return value; }
#include "allgrad/operators.def"
};

}  // namespace allgrad
