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

/// A run of TrustRegion.
class TrustRegionState final : public OptimizerState {
 public:
  /// What it has found so far.
  OptimizeResult result() const;

 private:
  friend struct TrustRegion;
  explicit TrustRegionState(std::unique_ptr<Minimization> run);
};

/// How a TrustRegion minimizes its quadratic model.
enum class TrustRegionSolver {
  eigenvalues,          ///< of the curvature, which takes its matrix: exactly; More, Sorensen 1983
  conjugate_gradients,  ///< to a part of the gradient, by products of the exact Hessian with vectors, each of which
                        ///< costs a few gradients; Steihaug 1983 (SIAM J. Numer. Anal. 20, 626)
};

/// Newton's method within a trust region, for objectives with second derivatives, as models and groups have them. It
/// takes fewer evaluations than L-BFGS-B, each of which costs more with every parameter.
///
/// A step minimizes the quadratic model of loss, gradient and curvature within a radius. For few parameters it does so
/// by the eigenvalues of the curvature: More, Sorensen 1983 (SIAM J. Sci. Stat. Comput. 4, 553), so that eigenvalues
/// below 0 lead away from saddles. For many it takes conjugate gradients, and no matrix. The radius follows how well
/// the model predicts the loss, and shrinks where loss, gradient or curvature are not finite. It walks in params /
/// scale, in which the radius is, and may end on a bound. Bounds are kept by projection: a step that meets one goes
/// there, and from there on minimizes by the parameters that are left. On the way no point has a higher model loss, and
/// a parameter on a bound leaves it where the loss falls inwards. What has converged on a bound looks at some points on
/// the way to the other side, and goes on from the lowest of them if that is lower.
///
/// Where gradient and curvature are within gtol, no minimum has been found, but a plateau, as where statistics nearly
/// vanish. It goes on along the gradient, however small that is; where gradient and curvature are 0, it ends without
/// success.
///
/// The inverse of the curvature at x is hess_inv of the result; with conjugate gradients it is what the last 10 steps
/// tell of it, as for Lbfgsb.
struct TrustRegion {
  std::size_t maxsteps = 100;           ///< iterations, each of one or more evaluations; from 1 on
  Bounds param_bounds = {};             ///< [ndim] or empty
  std::optional<Key> randkey = {};      ///< for objectives that draw random numbers: every evaluation takes it
  double ftol = 2.220446049250313e-09;  ///< converged when a step that no radius shortens gains, and was to gain, at
                                        ///< most ftol max(|loss_k|, |loss_k+1|, 1)
  double gtol = 1e-5;                   ///< converged when no component of the projected gradient times scale is
                                        ///< larger and, by eigenvalues, the loss falls along no direction
  std::optional<Curvature> curvature = {};  ///< by default Gauss-Newton, unless that leaves out where the loss falls
  std::optional<TrustRegionSolver> solver = {};  ///< where none is given, eigenvalues for up to 32 free parameters
                                                 ///< or a curvature that is given, conjugate gradients for more
  double radius = 0.3;                           ///< of the first step, in units of the scales; above 0
  Callback callback = {};                        ///< may stop the run
  bool progress = true;                          ///< whether to tell of it on rank 0, see set_sink
  Checkpoint checkpoint = {};                    ///< whether to keep its state in a file and to go on from there

  /// Minimizes from `guess` [ndim]. Collective over the objective's communicator: options and guess are the same on
  /// every rank, and so is the result; callback and progress may differ. SIGINT, SIGTERM and what the callback throws
  /// on any rank end it early. Throws what Lbfgsb::minimize throws, and ArgumentError for an objective without second
  /// derivatives. Not to converge is no exception: see `success`.
  OptimizeResult minimize(Objective& objective, const Guess& guess,
                          SourceLocation where = SourceLocation::current()) const;

  /// The same by hand: minimize is init, and step until the state has ended. A step is one iteration; the first of them
  /// evaluates the guess before. It takes maxsteps, ftol, gtol, callback and progress as they are then. Both are
  /// collective. Signals, wrong options and evaluations that throw are treated as in Adam::step.
  TrustRegionState init(Objective& objective, const Guess& guess,
                        SourceLocation where = SourceLocation::current()) const;
  void step(TrustRegionState& state) const;
};

}  // namespace allgrad
