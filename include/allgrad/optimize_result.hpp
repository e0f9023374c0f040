#pragma once

#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <vector>
#include <xtensor/xtensor.hpp>

#include "allgrad/aux_values.hpp"
#include "allgrad/covariance.hpp"
#include "allgrad/fit_figures.hpp"
#include "allgrad/inverse_hessian.hpp"
#include "allgrad/key.hpp"
#include "allgrad/name.hpp"
#include "allgrad/optimizer.hpp"
#include "allgrad/origin.hpp"
#include "allgrad/path.hpp"

namespace allgrad {

/// What a minimization found. The fields up to hess_inv are those of SciPy's OptimizeResult, and are about the last
/// iterate. The same on every rank, but for `callback_error` and `origin`.
struct OptimizeResult {
  std::string message = {};                   ///< why it ended
  EndReason end_reason = EndReason::running;  ///< the same, to compare with
  bool success = false;                       ///< whether x is a minimum within the tolerances
  double fun = 0.0;                           ///< the loss at x
  xt::xtensor<double, 1> x = {};              ///< [ndim]
  xt::xtensor<double, 1> jac = {};            ///< [ndim], gradient of the loss at x; 0 for frozen parameters
  std::size_t nfev = 0;                       ///< evaluations of loss and gradient
  std::size_t nit = 0;                        ///< iterations
  InverseHessian hess_inv = {};               ///< [ndim, ndim], what is known of the inverse of the Hessian at x
  BestPoint best = {};                        ///< of all evaluations, those between iterates too
  std::size_t backed_off = 0;                 ///< evaluations where the loss or its gradient was not finite
  std::string not_finite = {};                ///< what was not finite the last time that a step met such a point
  std::vector<std::string> names = {};        ///< [ndim], of the parameters
  std::vector<std::string> at_bounds = {};    ///< the names of those free parameters that are on a bound at x
  std::optional<Covariance> covariance = {};  ///< to keep with it: fit.covariance = model.calc_covariance(fit.x, ...)
  std::exception_ptr callback_error = {};     ///< what the callback threw on this rank
  std::vector<std::string> units = {};        ///< [ndim], of the parameters; empty texts where none is declared
  AuxValues aux = {};                         ///< of the loss at x
  AuxValues terms = {};                       ///< of a joint fit: the loss of each model at x [], before its weight
  Named<double> weights = {};                 ///< of these terms
  Path path = {};                             ///< that led to x
  std::optional<Key> randkey = {};            ///< of all evaluations
  Origin origin = {};                         ///< on each rank, its own
  Named<Comparison> statistics = {};          ///< to keep with it: {{"smf", {.model = ..., .data = ...}}}
  std::vector<Profile> profiles = {};         ///< to keep with it: fit.profiles.push_back(ag::profile(...))

  /// The value of a parameter at x, by its name. Throws ArgumentError, with the names there are, where none has it.
  double operator[](const Name& name) const;

  /// As text; `fmt::print("{}\n", result)` prints it too.
  std::string str() const;
};

}  // namespace allgrad

template <>
struct fmt::formatter<allgrad::OptimizeResult> : allgrad::detail::StrFormatter<allgrad::OptimizeResult> {};
