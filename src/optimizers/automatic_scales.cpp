#include "optimizers/automatic_scales.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "allgrad/error.hpp"
#include "base/finite.hpp"
#include "comm/agreement.hpp"

namespace allgrad {

namespace {

/// Gradient and diagonal of the Gauss-Newton matrix at the guess; each [ndim].
struct Derivatives {
  std::vector<double> gradient, curvature;
};

Derivatives derivatives_at_guess(const Params& params, const Arguments& arguments) {
  Objective& objective = arguments.objective;
  const std::size_t n = params.size();
  std::vector<double> guess, hessian(n * n);
  EvaluationOptions evaluation{.randkey = arguments.randkey};
  for (const Param& param : params) {
    guess.push_back(param.guess);
    evaluation.frozen.push_back(param.frozen);
  }
  if (std::ranges::find(evaluation.frozen, true) == evaluation.frozen.end()) evaluation.frozen.clear();
  std::vector<double> numbers(2 * n), sizes(2 * n);
  objective.value_gradient_and_hessian(guess, std::span(numbers).first(n), hessian, Curvature::gauss_newton,
                                       evaluation);
  for (std::size_t i = 0; i < n; ++i) {
    const double curvature = hessian[i * (n + 1)];
    numbers[n + i] = curvature;
    if (!std::isfinite(curvature)) continue;
    sizes[i] = std::sqrt(std::abs(curvature));
    sizes[n + i] = std::abs(curvature);
  }
  agree(objective.communicator(), Operation("the choice of scales", arguments.where),
        {"derivatives at the guess", numbers, sizes});
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(n);
  return {{numbers.begin(), middle}, {middle, numbers.end()}};
}

}  // namespace

Checked with_scales(Checked checked, const Arguments& arguments) {
  const auto is_wanted = [](const Param& param) { return param.scale.is_automatic() && !param.frozen; };
  if (std::ranges::none_of(checked.params, is_wanted)) return checked;
  arguments.objective.communicator().attempt([&] {
    if (arguments.objective.has_hessian(Curvature::gauss_newton)) return;
    throw ArgumentError(
        fmt::format("{}: expected an objective with the Gauss-Newton matrix for automatic scales, got one without; "
                    "compile its loss, or set .scale to typical changes of the parameters",
                    arguments.optimizer),
        arguments.where);
  });
  const auto [gradient, curvature] = derivatives_at_guess(checked.params, arguments);
  double promise = 0.0;  // root of twice what one parameter alone promises, of the one that promises most
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    if (curvature[i] > 0.0) promise = std::max(promise, std::abs(gradient[i]) / std::sqrt(curvature[i]));
  }
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    Param& param = checked.params[i];
    if (!is_wanted(param)) continue;
    const double scale = curvature[i] > 0.0 ? promise / std::sqrt(curvature[i]) : 0.0;
    param.scale = std::isnormal(scale) ? std::min(scale, param.bounds.high - param.bounds.low) : 1.0;
  }
  return checked;
}

}  // namespace allgrad
