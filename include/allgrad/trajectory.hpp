#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>
#include <xtensor/xtensor.hpp>

#include "allgrad/aux_values.hpp"
#include "allgrad/key.hpp"
#include "allgrad/optimizer.hpp"
#include "allgrad/origin.hpp"

namespace allgrad {

/// The path of an optimizer that takes a fixed number of steps: Adam, GradientDescent. The same on every rank, but for
/// `callback_error` and `origin`.
struct Trajectory {
  xt::xtensor<double, 1> loss = {};    ///< [nsteps], loss[i] at params[i]: at the last of these it is not computed
  xt::xtensor<double, 2> params = {};  ///< [nsteps + 1, ndim], from the guess on; fewer where it ended early
  AuxValues aux = {};                  ///< of the loss, each [nsteps, ...]
  std::string message = {};            ///< why it ended
  EndReason end_reason = EndReason::running;  ///< the same, to compare with
  bool success = false;                       ///< whether it came to its last step, skipped ones included
  BestPoint best = {};                        ///< of the points whose loss was computed
  std::size_t skipped = 0;                    ///< steps not taken, since the loss or its gradient was not finite
  std::string not_finite = {};                ///< what was not finite at the first or the last of them in a row
  std::vector<std::string> names = {};        ///< [ndim], of the parameters
  std::vector<std::string> units = {};        ///< [ndim], of these; empty texts where none is declared
  AuxValues terms = {};                       ///< of a joint fit: the loss of each model [nsteps], before its weight
  Named<double> weights = {};                 ///< of these terms
  std::optional<Key> randkey = {};            ///< that the optimizer was given
  Origin origin = {};                         ///< on each rank, its own
  std::exception_ptr callback_error = {};     ///< what the callback threw on this rank

  /// The parameters [ndim] where it ended.
  xt::xtensor<double, 1> last_params() const;

  /// As text; `fmt::print("{}\n", trajectory)` prints it too.
  std::string str() const;
};

/// A run of Adam or of GradientDescent.
class DescentState : public OptimizerState {
 public:
  /// The path so far.
  Trajectory result() const;

 protected:
  explicit DescentState(std::unique_ptr<Minimization> run);
};

}  // namespace allgrad

template <>
struct fmt::formatter<allgrad::Trajectory> : allgrad::detail::StrFormatter<allgrad::Trajectory> {};
