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

/// A run of Adam.
class AdamState final : public DescentState {
  friend struct Adam;
  explicit AdamState(std::unique_ptr<Minimization> run);
};

/// Adam, "adaptive moment estimation": Kingma and Ba 2015 (arXiv:1412.6980), algorithm 1, with its names.
///
/// It walks in variables u that are free of bounds, along the gradient by u, where s is the parameter's scale:
///   no bound      params = s u
///   low alone     params = low + s y(u), where y(u) = (u + sqrt(u^2 + 4)) / 2 > 0, so that u = y - 1/y
///   high alone    params = high - s y(-u)
///   low and high  params = low + (high - low) (1/2 + atan(u) / pi), whatever s is
/// Far from a single bound, params / s changes as u does. Bounds are approached and never reached.
///
/// A step at which the loss or its gradient is not finite, or from which Adam would go to where its parameters or
/// moments are not, is skipped: it does not change the moments. Where the next step has another random key, it starts
/// from the same parameters. Otherwise it starts from half the way back to where the last step had started, which makes
/// that step half as long; so on until loss and gradient are finite again. Each such evaluation is a step that is
/// skipped.
struct Adam {
  std::size_t nsteps = 100;             ///< from 1 on
  Bounds param_bounds = {};             ///< [ndim] or empty
  LearningRate learning_rate = 0.01;    ///< above 0; about the largest change of a variable u in one step
  std::optional<Key> randkey = {};      ///< for objectives that draw random numbers: step i takes fold_in(randkey, i)
  bool const_randkey = false;           ///< every step takes randkey itself
  double beta1 = 0.9;                   ///< decay of the mean of gradients
  double beta2 = 0.999;                 ///< decay of the mean of squared gradients
  double epsilon = 1e-8;                ///< added to the root of the latter
  std::size_t max_skips_in_a_row = 10;  ///< so many skipped steps without another between them end the run
  Callback callback = {};               ///< may stop the run
  bool progress = true;                 ///< whether to tell of it on rank 0, see set_sink
  Checkpoint checkpoint = {};           ///< whether to keep its state in a file and to go on from there

  /// Takes `nsteps` steps from `guess` [ndim]. Collective over the objective's communicator: options and guess are the
  /// same on every rank, and so is the result; callback and progress may differ. SIGINT, SIGTERM and what the callback
  /// throws on any rank end it early. Throws ArgumentError where an option or the guess cannot be used or the loss at
  /// the guess is not finite (unless the next step has another key), DivergenceError where ranks differ in options or
  /// guess, DataError where a checkpoint cannot be used, and what the objective throws: to keep the path in that case,
  /// go by hand.
  Trajectory minimize(Objective& objective, const Guess& guess, SourceLocation where = SourceLocation::current()) const;

  /// The same by hand: minimize is init, and step until the state has ended. A step takes the options as they are then,
  /// but for param_bounds, and a key of its own if it is given one. Both are collective. A signal that comes during a
  /// step ends the run at the next one; between steps it does what the program lets it do. Throws as minimize does
  /// where the options have become such that they cannot be used, or are no longer the same on all ranks. A step whose
  /// evaluation throws leaves the state as it was: it holds the path and the best point so far, and the next step
  /// evaluates again.
  AdamState init(Objective& objective, const Guess& guess, SourceLocation where = SourceLocation::current()) const;
  void step(AdamState& state, const std::optional<Key>& randkey = {}) const;
};

}  // namespace allgrad
