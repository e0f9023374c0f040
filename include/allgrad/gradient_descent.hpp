#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "allgrad/checkpoint.hpp"
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
  std::size_t nsteps = 100;             ///< from 1 on
  Bounds param_bounds = {};             ///< [ndim] or empty
  LearningRate learning_rate = 0.01;    ///< above 0
  std::optional<Key> randkey = {};      ///< for objectives that draw random numbers: every step takes it
  std::size_t max_skips_in_a_row = 10;  ///< so many skipped steps without another between them end the run
  Callback callback = {};               ///< may stop the run
  bool progress = true;                 ///< whether to tell of it on rank 0, see set_sink
  Checkpoint checkpoint = {};           ///< whether to keep its state in a file and to go on from there

  /// As Adam's: see there.
  Trajectory minimize(Objective& objective, const Guess& guess, SourceLocation where = SourceLocation::current()) const;
  GradientDescentState init(Objective& objective, const Guess& guess,
                            SourceLocation where = SourceLocation::current()) const;
  void step(GradientDescentState& state, const std::optional<Key>& randkey = {}) const;
};

}  // namespace allgrad
