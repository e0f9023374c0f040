#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "allgrad/key.hpp"
#include "allgrad/learning_rate.hpp"
#include "allgrad/objective.hpp"
#include "allgrad/optimizer.hpp"
#include "allgrad/params.hpp"
#include "allgrad/source_location.hpp"
#include "allgrad/trajectory.hpp"

namespace allgrad {

/// A run of gradient descent.
class GradientDescentState final : public DescentState {
  friend struct GradientDescent;
  explicit GradientDescentState(std::unique_ptr<Minimization> run);
};

/// Gradient descent: u <- u - learning_rate * gradient by u, in the variables u of Adam. Without scales and bounds
/// these are the parameters.
///
/// A step at which the loss or its gradient is not finite, or from which it would go to parameters that are not, is
/// skipped. The next starts from half the way back to where the last step had started, as Adam's.
struct GradientDescent {
  std::size_t nsteps = 100;
  LearningRate learning_rate = 0.01;
  std::optional<Key> randkey = {};  // for objectives that draw random numbers: every step takes it
  Bounds param_bounds = {};         // one for each parameter, or none
  std::size_t max_skips_in_a_row = 10;
  Callback callback = {};
  bool progress = true;

  /// As Adam's.
  Trajectory minimize(Objective& objective, const Guess& guess, SourceLocation where = SourceLocation::current()) const;
  GradientDescentState init(Objective& objective, const Guess& guess,
                            SourceLocation where = SourceLocation::current()) const;
  void step(GradientDescentState& state, const std::optional<Key>& randkey = {}) const;
};

}  // namespace allgrad
