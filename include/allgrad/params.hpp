#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allgrad/expr.hpp"
#include "allgrad/param_values.hpp"

namespace allgrad {

/// The interval in which a parameter stays. A side that is left out is open: {-4, 0}, {.low = 0}, {}. L-BFGS-B may
/// reach a bound; Adam and gradient descent walk between them, and a guess on one is an error there.
struct Bound {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();

  bool has_low() const { return low != -std::numeric_limits<double>::infinity(); }
  bool has_high() const { return high != std::numeric_limits<double>::infinity(); }
};

/// One for each parameter, as in {{-4, 0}, {}, {.low = 0}}.
using Bounds = std::vector<Bound>;

/// For Param::scale: see Scale.
struct Automatic {};
inline constexpr Automatic automatic;

/// A typical size of a parameter's changes: a number above 0, or `automatic`, from the derivatives at the guess.
///
/// With the gradient g and the diagonal H of the Gauss-Newton matrix at the guess, the scale of parameter i is
/// max_k(|g_k| / sqrt(H_k)) / sqrt(H_i), but at most the distance of two bounds. In these units the loss is equally
/// curved along all parameters, and the first step, which is about as long as one of them, goes about as far as the
/// curvature says. Where neither g nor H says anything of a parameter, its scale is 1. The objective has to have the
/// Gauss-Newton matrix, as models, groups and compiled graphs do; it takes one evaluation of it.
class Scale {
 public:
  constexpr Scale(double value) : value_(value) {}
  constexpr Scale(Automatic) : is_automatic_(true) {}

  constexpr bool is_automatic() const { return is_automatic_; }
  constexpr double value() const { return value_; }

 private:
  double value_ = 1.0;
  bool is_automatic_ = false;
};

/// A parameter as it is declared to an optimizer, as in {.name = "log_m1", .guess = 11.6, .bounds = {10, 13}}. Results,
/// progress and messages speak of it by its name.
struct Param {
  std::string name = {};  ///< one of its own; "params[i]" where it is empty
  double guess = 0.0;     ///< where the minimization starts
  Bound bounds = {};
  Scale scale = 1.0;      ///< a typical size of its changes: optimizers walk in params / scale
  bool frozen = false;    ///< keeps its guess; the gradient by it is not computed
  std::string unit = {};  ///< shown with its values, as in "km/s/Mpc"; nothing is computed from it

  /// In a line: "log_m1 = 11.6 dex in [10, 13], frozen".
  std::string str() const;
};
using Params = std::vector<Param>;

/// A vector of parameters [ndim] that knows their names: params["log_f"] beside params[0]. Throws ArgumentError where
/// there is none, or two have one name.
Expr parameters(const Params& params, SourceLocation where = SourceLocation::current());

/// The same parameters, those whose names begin with `prefix` frozen. Throws ArgumentError where there is none.
Params freeze(Params params, std::string_view prefix, SourceLocation where = SourceLocation::current());

/// Where a minimization starts, as an argument: values of the parameters [ndim] (see ParamValues), or their
/// declarations.
class Guess {
 public:
  template <class C>
  requires std::constructible_from<ParamValues, const C&, SourceLocation> Guess(
      const C& values, SourceLocation where = SourceLocation::current())
      : values_(values, where) {}
  Guess(std::initializer_list<double> values) : values_(values) {}
  Guess(const Params& params) : declared_(params) {}
  Guess(std::initializer_list<Param> params) : declared_(params) {}

  std::size_t size() const { return values_.size() + declared_.size(); }

  /// The values as guesses of parameters that are declared elsewhere; itself where it has declarations of its own, or
  /// another number of values.
  Guess declared_by(Params params) const;

  /// One for each parameter, each with a name.
  Params params() const;

 private:
  ParamValues values_ = {};  // one of the two is empty
  Params declared_;
};

}  // namespace allgrad

template <>
struct fmt::formatter<allgrad::Param> : allgrad::detail::StrFormatter<allgrad::Param> {};
