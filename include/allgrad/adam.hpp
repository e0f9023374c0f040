#pragma once

#include <cstddef>

#include "allgrad/objective.hpp"
#include "allgrad/optimizer.hpp"
#include "allgrad/param_values.hpp"
#include "allgrad/source_location.hpp"

namespace allgrad {

/// Adam, "adaptive moment estimation": Kingma and Ba 2015 (arXiv:1412.6980), algorithm 1, with its names.
struct Adam {
  double learning_rate = 0.01;  // about the largest change of a parameter in one step
  std::size_t nsteps = 100;
  double beta1 = 0.9;     // decay of the mean of gradients
  double beta2 = 0.999;   // decay of the mean of squared gradients
  double epsilon = 1e-8;  // added to the root of the latter
  Callback callback = {};

  /// Takes `nsteps` steps from `guess` [ndim]. Collective over the objective's communicator: options and guess are the
  /// same on every rank, and so is the result. Throws ArgumentError where an option or the guess cannot be used,
  /// DivergenceError where ranks differ in them, Error where loss, gradient or parameters stop to be finite.
  Trajectory minimize(Objective& objective, const ParamValues& guess,
                      SourceLocation where = SourceLocation::current()) const;
};

}  // namespace allgrad
