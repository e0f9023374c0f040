#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "allgrad/checkpoint.hpp"
#include "allgrad/key.hpp"
#include "allgrad/objective.hpp"
#include "allgrad/optimize_result.hpp"
#include "allgrad/optimizer.hpp"
#include "allgrad/params.hpp"
#include "allgrad/source_location.hpp"

namespace allgrad {

/// A run of L-BFGS-B.
class LbfgsbState final : public OptimizerState {
 public:
  /// What it has found so far.
  OptimizeResult result() const;

 private:
  friend struct Lbfgsb;
  explicit LbfgsbState(std::unique_ptr<Minimization> run);
};

/// L-BFGS-B 3.0: Byrd, Lu, Nocedal, Zhu 1995 (SIAM J. Sci. Comput. 16, 1190), Morales, Nocedal 2011 (ACM Trans. Math.
/// Softw. 38, 7). ftol, gtol and memory (SciPy's maxcor) have SciPy's defaults and meaning. It walks in params / scale,
/// and may end on a bound.
///
/// With bounds on both sides of all parameters, L-BFGS-B 3.0 takes the gradient for its first step, which may lead to a
/// corner from which there is no way back. Here the first step is one unit long, as it is without bounds; and what has
/// converged on a bound looks at some points on the way to the other side, and goes on from the lowest of them if that
/// is lower. With scipy_path it does neither, and takes the path of SciPy.
///
/// Where the gradient is within gtol and hardly changes next to x, no minimum has been found, but a plateau, as where
/// all statistics vanish: that is no success. It takes an evaluation to see, where the path does not tell.
///
/// The loss may be undefined in places. Where it or its gradient is not finite, the line search steps back, and such a
/// point is never an iterate nor the result.
struct Lbfgsb {
  std::size_t maxsteps = 100;           ///< iterations, each of one or more evaluations; from 1 on
  Bounds param_bounds = {};             ///< [ndim] or empty
  std::optional<Key> randkey = {};      ///< for objectives that draw random numbers: every evaluation takes it
  double ftol = 2.220446049250313e-09;  ///< converged when loss_k - loss_k+1 <= ftol max(|loss_k|, |loss_k+1|, 1)
  double gtol = 1e-5;                   ///< converged when no component of the projected gradient times scale is larger
  std::size_t memory = 10;              ///< number of steps that the approximation of the Hessian remembers
  bool scipy_path = false;              ///< whether to keep to SciPy's path where there are bounds
  Callback callback = {};               ///< may stop the run
  bool progress = true;                 ///< whether to tell of it on rank 0, see set_sink
  Checkpoint checkpoint = {};           ///< whether to keep its state in a file and to go on from there

  /// Minimizes from `guess` [ndim]. Collective over the objective's communicator: options and guess are the same on
  /// every rank, and so is the result; callback and progress may differ. SIGINT, SIGTERM and what the callback throws
  /// on any rank end it early. Throws ArgumentError where an option or the guess cannot be used or the loss at the
  /// guess is not finite, DivergenceError where ranks differ in options or guess, DataError where a checkpoint cannot
  /// be used, and what the objective throws: to keep the path in that case, go by hand. Not to converge is no
  /// exception: see `success`.
  OptimizeResult minimize(Objective& objective, const Guess& guess,
                          SourceLocation where = SourceLocation::current()) const;

  /// The same by hand: minimize is init, and step until the state has ended. A step is one iteration; the first of them
  /// evaluates the guess before. It takes maxsteps, ftol, callback and progress as they are then. Both are collective.
  /// Signals, wrong options and evaluations that throw are treated as in Adam::step.
  LbfgsbState init(Objective& objective, const Guess& guess, SourceLocation where = SourceLocation::current()) const;
  void step(LbfgsbState& state) const;
};

}  // namespace allgrad
