#pragma once

#include <cstddef>
#include <string>
#include <xtensor/xtensor.hpp>

#include "allgrad/objective.hpp"
#include "allgrad/optimizer.hpp"
#include "allgrad/param_values.hpp"
#include "allgrad/source_location.hpp"

namespace allgrad {

/// What a minimization found; the fields are those of SciPy's OptimizeResult.
struct OptimizeResult {
  std::string message;  // why it ended
  bool success;         // whether x is a minimum within the tolerances
  double fun;           // the loss at x
  xt::xtensor<double, 1> x;
  xt::xtensor<double, 1> jac;  // gradient of the loss at x
  std::size_t nfev;            // evaluations of loss and gradient
  std::size_t nit;             // iterations

  /// All fields as text; `fmt::print("{}\n", result)` prints it too.
  std::string str() const;
};

/// L-BFGS-B 3.0: Byrd, Lu, Nocedal, Zhu 1995 (SIAM J. Sci. Comput. 16, 1190), Morales, Nocedal 2011 (ACM Trans. Math.
/// Softw. 38, 7). ftol, gtol and memory (SciPy's maxcor) have SciPy's defaults and meaning.
///
/// The loss may be undefined in places. Where it or its gradient is not finite, the line search steps back, and such a
/// point is never an iterate nor the result.
struct Lbfgsb {
  std::size_t maxsteps = 100;           // iterations, each of one or more evaluations
  double ftol = 2.220446049250313e-09;  // converged when loss_k - loss_k+1 <= ftol max(|loss_k|, |loss_k+1|, 1)
  double gtol = 1e-5;                   // converged when no component of the gradient is larger
  std::size_t memory = 10;              // number of steps that the approximation of the Hessian remembers
  Callback callback = {};

  /// Minimizes from `guess` [ndim]; x is the last iterate where that has converged, the best point evaluated where not.
  /// Collective over the objective's communicator: options and guess are the same on every rank, and so is the result.
  /// Throws ArgumentError where an option or the guess cannot be used or the loss at the guess is not finite,
  /// DivergenceError where ranks differ in options or guess. Not to converge is no exception: see `success`.
  OptimizeResult minimize(Objective& objective, const ParamValues& guess,
                          SourceLocation where = SourceLocation::current()) const;
};

}  // namespace allgrad

template <>
struct fmt::formatter<allgrad::OptimizeResult> : allgrad::detail::StrFormatter<allgrad::OptimizeResult> {};
