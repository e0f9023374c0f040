#include "optimizers/check_params.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "allgrad/error.hpp"
#include "optimizers/named.hpp"

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

// Whether steps of the size of the variables' unit, in which the learning rate is, would move the parameter.
bool can_move(const Param& param, BoundsBy bounds_by) {
  const ParamSpace space({param}, bounds_by);
  const double start = space.start()[0];
  if (!std::isfinite(start)) return false;
  const auto param_at = [&](double variable) {
    double value = 0.0;
    space.to_params({&variable, 1}, {&value, 1});
    return value;
  };
  return param_at(start - 1.0) < param_at(start + 1.0);
}

void check_bounds(const Checker& check, const Param& param, BoundsBy bounds_by) {
  const auto [low, high] = param.bounds;
  check.require(
      low != high,
      "bounds of {0} with low below high, got [{1}, {1}]. To keep {0} at its guess, declare it with .frozen = "
      "true, and no bounds.",
      param.name, shown(low));
  check.require(std::isless(low, high),
                "bounds of {} with low below high, got [{}, {}]. Leave out a side that is open.", param.name,
                shown(low), shown(high));
  check.require(!param.bounds.has_low() || !param.bounds.has_high() || std::isfinite(high - low),
                "bounds of {} whose distance is a finite number, got [{}, {}]. Leave out a side that is open.",
                param.name, shown(low), shown(high));
  check.require(param.guess >= low && param.guess <= high,
                "a guess of {} within its bounds [{}, {}], got {}. Move the guess or the bounds.", param.name, low,
                high, param.guess);
  if (bounds_by == BoundsBy::optimizer || param.frozen || is_open(param.bounds)) return;
  check.require(
      param.guess > low && param.guess < high && can_move(param, bounds_by),
      "a guess of {} inside its bounds [{}, {}], got {}, which is so close to a bound that no step would move "
      "it. Start away from the bound, or use Lbfgsb.",
      param.name, low, high, param.guess);
}

void check_param(const Checker& check, const Param& param, BoundsBy bounds_by) {
  check.require(std::isfinite(param.guess),
                "a guess of finite numbers, got {} for {}. Start where the loss can be computed.", shown(param.guess),
                param.name);
  check.require(std::isfinite(param.scale.value()) && param.scale.value() > 0.0,
                "a scale of {} that is a finite number above 0, or automatic, got {}. Set it to a typical change of "
                "{}, or leave it at "
                "its default.",
                param.name, shown(param.scale.value()), param.name);
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
