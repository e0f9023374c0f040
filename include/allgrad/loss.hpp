#pragma once

#include <fmt/format.h>

#include <utility>

#include "allgrad/aux_values.hpp"

namespace allgrad {

/// A loss: one number, shape []. Its aux values, of any shape but none of them per row, come back as numbers with it.
/// An Expr is one without aux values: `return mean(square(x));`, or with: `return {loss, {{"chi2", chi2}}};`.
struct Loss {
  Loss(const Expr& loss, Aux aux_values = {}) : value(loss), aux(std::move(aux_values)) {}
  Expr value;
  Aux aux;
};

/// A loss at some parameters, with its aux values there, and the terms that it is the weighted sum of, each [], for a
/// group of models. It stands for the number where one is expected.
struct LossValue {
  double value = 0.0;
  AuxValues aux = {};
  AuxValues terms = {};
  operator double() const { return value; }
};

}  // namespace allgrad

template <>
struct fmt::formatter<allgrad::LossValue> : fmt::formatter<double> {
  template <class Context>
  auto format(const allgrad::LossValue& loss, Context& context) const {
    return fmt::formatter<double>::format(loss.value, context);
  }
};
