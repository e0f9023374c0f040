#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "allgrad/covariance.hpp"
#include "allgrad/fit_figures.hpp"
#include "allgrad/model_base.hpp"
#include "allgrad/optimize_result.hpp"
#include "allgrad/params.hpp"
#include "allgrad/str_formatter.hpp"
#include "allgrad/trust_region.hpp"

namespace allgrad {

/// How the other parameters are fitted. Bounds and what is frozen are in `params`, whose guesses do not count; where
/// there are none, they are as the model declares them, with the names of the fit. The optimizer's random key is that
/// of every evaluation.
struct ProfileOptions {
  Params params = {};                           ///< [ndim] or empty
  TrustRegion optimizer = {.progress = false};  ///< but for its param_bounds and checkpoint, which are to be empty
};

/// Fits all other parameters at each of the `values` of one, from those next to it on the way from the fit: at x of
/// `fit`, the result of a minimization of the model. Collective over the model's communicator. Throws ArgumentError
/// where the parameter is not there, where it is frozen, and where a value is not within its bounds; and what
/// TrustRegion::minimize throws.
Profile profile(ModelBase& model, const OptimizeResult& fit, std::string_view parameter, const ParamValues& values,
                const ProfileOptions& options = {}, SourceLocation where = SourceLocation::current());

/// By how much a parameter may be lower and higher before the loss, minimized over the others, has risen by errordef.
struct AsymmetricError {
  std::string name;
  double value;                 ///< at the minimum
  double lower;                 ///< at most 0; minus infinity where the loss does not rise so far
  double upper;                 ///< at least 0; infinity where the loss does not rise so far
  bool lower_at_bound = false;  ///< a bound comes first, at value + lower
  bool upper_at_bound = false;

  /// As text: "beta = 1.27 -0.051 +0.057".
  std::string str() const;
};

/// The asymmetric error of a parameter, as by Minuit's MINOS: the crossings are found to 1e-4 of the error. Collective.
/// Throws what calc_covariance and `profile` throw, and ArgumentError where a loss below that of the fit is found.
AsymmetricError asymmetric_error(ModelBase& model, const OptimizeResult& fit, std::string_view parameter,
                                 Errordef errordef, const ProfileOptions& options = {},
                                 SourceLocation where = SourceLocation::current());

/// By how much a parameter moves where another one is held a standard error off its best value, and all others are
/// fitted again.
struct Impact {
  std::string name;  ///< of the other parameter
  double lower;      ///< change of the parameter where the other one is lower by its error, or at its bound
  double upper;      ///< where it is higher
};

/// The impact of each other free parameter on one, the largest first: what its error comes from. Standard errors are
/// those of calc_covariance. Collective. Throws what calc_covariance and `profile` throw.
std::vector<Impact> impacts(ModelBase& model, const OptimizeResult& fit, std::string_view parameter, Errordef errordef,
                            const ProfileOptions& options = {}, SourceLocation where = SourceLocation::current());

}  // namespace allgrad

template <>
struct fmt::formatter<allgrad::AsymmetricError> : allgrad::detail::StrFormatter<allgrad::AsymmetricError> {};
