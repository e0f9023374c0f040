#pragma once

#include <cstddef>

#include "allgrad/objective.hpp"
#include "allgrad/optimizer.hpp"
#include "allgrad/param_values.hpp"
#include "allgrad/source_location.hpp"

namespace allgrad {

/// Gradient descent with a fixed step size: params <- params - learning_rate * gradient.
struct GradientDescent {
  double learning_rate = 0.01;
  std::size_t nsteps = 100;
  Callback callback = {};

  /// Takes `nsteps` steps from `guess` [ndim]. Collective over the objective's communicator: options and guess are the
  /// same on every rank, and so is the result. Throws ArgumentError where an option or the guess cannot be used,
  /// DivergenceError where ranks differ in them, Error where loss, gradient or parameters stop to be finite.
  Trajectory minimize(Objective& objective, const ParamValues& guess,
                      SourceLocation where = SourceLocation::current()) const;
};

}  // namespace allgrad
