#include "optimizers/check_params.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "allgrad/error.hpp"
#include "optimizers/finite.hpp"

namespace allgrad {

namespace {

// Says what is wrong with a parameter, in the name of the optimizer.
class Checker {
 public:
  Checker(std::string_view optimizer, SourceLocation where) : optimizer_(optimizer), where_(where) {}

  template <class... Args>
  void require(bool holds, fmt::format_string<Args...> otherwise, Args&&... args) const {
    if (holds) return;
    throw ArgumentError(fmt::format("{}: expected {}", optimizer_, fmt::format(otherwise, std::forward<Args>(args)...)),
                        where_);
  }

 private:
  std::string_view optimizer_;
  SourceLocation where_;
};

bool is_open(const Bound& bounds) { return !bounds.has_low() && !bounds.has_high(); }

void check_number(const Checker& check, std::size_t num_params, std::size_t guess, std::size_t bounds) {
  check.require(num_params > 0,
                "an objective with parameters, got one without. Let the loss depend on at least one parameter.");
  check.require(guess == num_params,
                "a guess of {} numbers, one for each parameter of the objective, got {}. Pass as many numbers as the "
                "objective has parameters.",
                num_params, guess);
  check.require(bounds == 0 || bounds == num_params,
                "as many param_bounds as parameters, {}, or none, got {}. Give {{}} to parameters without bounds.",
                num_params, bounds);
}

void check_names(const Checker& check, const Params& params) {
  std::set<std::string_view> names;
  for (const Param& param : params) {
    check.require(names.insert(param.name).second,
                  "a name of its own for each parameter, got {} twice. Rename one of them.", param.name);
  }
}

void check_bounds(const Checker& check, const Param& param, BoundsBy bounds_by) {
  const auto& [low, high] = param.bounds;
  check.require(low < high, "bounds of {} with low below high, got [{}, {}]. Leave out a side that is open.",
                param.name, low, high);
  check.require(param.guess >= low && param.guess <= high,
                "a guess of {} within its bounds [{}, {}], got {}. Move the guess or the bounds.", param.name, low,
                high, param.guess);
  if (bounds_by == BoundsBy::optimizer || param.frozen) return;
  check.require(param.guess > low && param.guess < high && all_finite(ParamSpace({param}, bounds_by).start()),
                "a guess of {} inside its bounds [{}, {}], got {}, where the variable in which it walks is infinite. "
                "Start away from the bound, or use Lbfgsb.",
                param.name, low, high, param.guess);
}

void check_param(const Checker& check, const Param& param, BoundsBy bounds_by) {
  check.require(std::isfinite(param.guess),
                "a guess of finite numbers, got {} for {}. Start where the loss can be computed.", param.guess,
                param.name);
  check.require(
      std::isfinite(param.scale) && param.scale > 0.0,
      "a scale of {} that is a finite number above 0, got {}. Set it to a typical change of {}, or leave it at "
      "its default.",
      param.name, param.scale, param.name);
  check_bounds(check, param, bounds_by);
}

}  // namespace

Params check_params(std::string_view optimizer, std::size_t num_params, const Guess& guess, const Bounds& param_bounds,
                    BoundsBy bounds_by, SourceLocation where) {
  const Checker check(optimizer, where);
  check_number(check, num_params, guess.size(), param_bounds.size());
  Params params = guess.params();
  check_names(check, params);
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (!param_bounds.empty() && !is_open(param_bounds[i])) {
      check.require(is_open(params[i].bounds),
                    "the bounds of {} once, got them in its declaration and in param_bounds. Remove one of the two.",
                    params[i].name);
      params[i].bounds = param_bounds[i];
    }
    check_param(check, params[i], bounds_by);
  }
  check.require(std::ranges::any_of(params, [](const Param& param) { return !param.frozen; }),
                "a parameter that is free, got {} that are all frozen. Free at least one of them.", params.size());
  return params;
}

}  // namespace allgrad
