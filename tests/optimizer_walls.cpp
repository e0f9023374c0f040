// L-BFGS-B where the loss or its gradient is not finite in places.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "allgrad/error.hpp"
#include "allgrad/lbfgsb.hpp"
#include "catch.hpp"
#include "optimizer_objectives.hpp"
#include "optimizers/line_search.hpp"

namespace test_optimizer_walls {

namespace ag = allgrad;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

enum class Wall { loss_nan, loss_infinite, loss_minus_infinite, gradient_nan, gradient_infinite };

// What the objective returns at a point behind the wall, where the formula would give `loss`.
double behind(Wall wall, double loss, std::span<double> gradient) {
  switch (wall) {
    case Wall::loss_nan: return not_a_number;
    case Wall::loss_infinite: return infinity;
    case Wall::loss_minus_infinite: return -infinity;
    case Wall::gradient_nan: gradient.back() = not_a_number; return loss;
    case Wall::gradient_infinite: gradient.front() = -infinity; return loss;
  }
  return loss;
}

// The iterates of a run: each of them finite, and none above the one before.
class Watch {
 public:
  ag::Callback callback() {
    return [this](const ag::Iterate& iterate) {
      proper_ = proper_ && std::isfinite(iterate.loss) && iterate.loss <= last_ &&
                std::ranges::all_of(iterate.gradient, [](double g) { return std::isfinite(g); });
      last_ = iterate.loss;
    };
  }
  bool proper() const { return proper_; }

 private:
  bool proper_ = true;
  double last_ = infinity;
};

bool speaks_of_walls(const ag::OptimizeResult& fit) {
  UNSCOPED_INFO(fit.message);
  return fit.message.find("THE LOSS OR ITS GRADIENT IS NOT FINITE AT POINTS CLOSE TO X") != std::string::npos;
}

}  // namespace

TEST_CASE("behind a wall the line search is told of a parabola that rises along the step") {
  const double loss = GENERATE(-3.0, 0.0, 1e20);  // beside the last of them, the rise is lost to rounding
  ag::Point iterate(std::vector<double>{1.0, 2.0});
  iterate.loss = loss;
  iterate.gradient = {2.0, -1.0};
  ag::Point trial(std::vector<double>{0.5, 2.0});  // the slope along the step is -1
  ag::LineSearch search;
  search.start(iterate, trial.params);
  CHECK_FALSE(search.met_wall());
  CHECK(search.promise() == 1.0);
  for (const double k : {1.0, 2.0, 3.0}) {
    trial.loss = not_a_number;
    trial.gradient = {not_a_number, infinity};
    search.step_back(iterate, trial);
    CHECK(search.met_wall());
    CHECK(trial.loss > loss);
    CHECK(trial.loss == Approx(loss + std::exp2(k) - 1.0));
    CHECK(trial.gradient[0] == -(std::exp2(k + 1.0) - 1.0) * 2.0);
    CHECK(trial.gradient[1] == (std::exp2(k + 1.0) - 1.0) * 1.0);
  }
  search.pass();
  search.step_back(iterate, trial);
  CHECK(trial.gradient[0] == -6.0);
}

TEST_CASE("a wall on the first step") {
  const Wall wall = GENERATE(Wall::loss_nan, Wall::loss_infinite, Wall::loss_minus_infinite, Wall::gradient_nan,
                             Wall::gradient_infinite);
  Watch watch;
  SECTION("barriers on both sides of the minimum") {
    Analytic objective(1, [&](auto params, auto gradient) {
      const double x = params[0];
      gradient[0] = 1.0 / (1.0 - x) - 1.0 / x;
      if (x <= 0.0 || x >= 1.0) return behind(wall, 0.0, gradient);
      return -std::log(x) - std::log(1.0 - x);
    });
    const auto fit = ag::Lbfgsb{.callback = watch.callback()}.minimize(objective, {0.9});
    CHECK(objective.walls() >= 1);
    CHECK(fit.success);
    CHECK(fit.x(0) == Approx(0.5).epsilon(1e-5));
    CHECK(fit.nfev <= 10);
  }
  SECTION("a step a thousand times too long") {
    Analytic objective(2, [&](auto params, auto gradient) {
      const double a = 1e3 * params[0] - 1.0;
      const double b = 1e3 * params[1] - 2.0;
      gradient[0] = 2e3 * a;
      gradient[1] = 8e3 * b;
      const double loss = a * a + 4.0 * b * b;
      return params[0] + params[1] > 0.005 ? behind(wall, loss, gradient) : loss;
    });
    const auto fit = ag::Lbfgsb{.callback = watch.callback()}.minimize(objective, {0.0, 0.0});
    CHECK(objective.walls() >= 2);
    CHECK(fit.success);
    CHECK(fit.x(0) == Approx(0.001).epsilon(1e-6));
    CHECK(fit.x(1) == Approx(0.002).epsilon(1e-6));
  }
  CHECK(watch.proper());
}

TEST_CASE("a wall right next to the minimum") {
  const double distance = GENERATE(1e-1, 1e-3, 1e-5, 1e-7, 1e-9);
  const Wall wall = GENERATE(Wall::loss_nan, Wall::loss_infinite, Wall::gradient_nan);
  Watch watch;
  Analytic objective(2, [&](auto params, auto gradient) {
    const double loss = rosenbrock(params, gradient);
    return params[0] > 1.0 + distance ? behind(wall, loss, gradient) : loss;
  });
  const auto fit = ag::Lbfgsb{.ftol = 0.0, .callback = watch.callback()}.minimize(objective, {-1.2, 1.0});
  CHECK(objective.walls() >= 1);
  CHECK(fit.success);
  CHECK(fit.x(0) == Approx(1.0).epsilon(1e-4));
  CHECK(fit.x(1) == Approx(1.0).epsilon(1e-4));
  CHECK(watch.proper());
}

TEST_CASE("a minimum behind the wall is no success") {
  const Wall wall = GENERATE(Wall::loss_nan, Wall::loss_infinite, Wall::gradient_nan);
  const double slope = GENERATE(1.0, 1e-4);
  const double curvature = GENERATE(0.0, 0.1);
  Watch watch;
  Analytic objective(1, [&](auto params, auto gradient) {
    const double x = params[0];
    gradient[0] = slope * (curvature * x - 1.0);
    const double loss = slope * (0.5 * curvature * x * x - x);
    return x > 1.0 ? behind(wall, loss, gradient) : loss;
  });
  const auto fit = ag::Lbfgsb{.callback = watch.callback()}.minimize(objective, {0.3});
  CHECK_FALSE(fit.success);
  CHECK(speaks_of_walls(fit));
  CHECK(fit.end_reason == ag::EndReason::not_finite);
  CHECK(fit.x(0) <= 1.0);
  CHECK(fit.x(0) > 0.99);
  CHECK(fit.fun == Approx(slope * (0.5 * curvature - 1.0)).epsilon(0.02));
  CHECK(fit.jac(0) == Approx(slope * (curvature * fit.x(0) - 1.0)));
  CHECK(fit.nfev < 300);
  CHECK(watch.proper());
}

TEST_CASE("a loss that is finite at the guess only") {
  const Wall wall = GENERATE(Wall::loss_nan, Wall::loss_infinite, Wall::loss_minus_infinite, Wall::gradient_nan);
  const double loss = GENERATE(0.0, 1.0, 5.0);
  Analytic objective(2, [&](auto params, auto gradient) {
    gradient[0] = 1.0;
    gradient[1] = -2.0;
    return params[0] == 0.3 && params[1] == 0.7 ? loss : behind(wall, loss - 1.0, gradient);
  });
  const auto fit = ag::Lbfgsb{}.minimize(objective, {0.3, 0.7});
  CHECK_FALSE(fit.success);
  CHECK(speaks_of_walls(fit));
  CHECK(fit.fun == loss);
  CHECK(fit.x(0) == 0.3);
  CHECK(fit.x(1) == 0.7);
  CHECK(fit.jac(1) == -2.0);
  CHECK(fit.nfev < 100);
}

TEST_CASE("L-BFGS-B with a loss that is not finite at the guess") {
  const Wall wall = GENERATE(Wall::loss_nan, Wall::loss_infinite, Wall::gradient_nan);
  Analytic objective(1, [&](auto, auto gradient) {
    gradient[0] = 2.0;
    return behind(wall, 1.0, gradient);
  });
  std::string text;
  try {
    ag::Lbfgsb{}.minimize(objective, {0.25});
  } catch (const ag::ArgumentError& error) {
    text = error.what();
  }
  INFO(text);
  CHECK(text.find("Lbfgsb: expected a guess at which loss and gradient are finite, but at params[0] = 0.25 the ") !=
        std::string::npos);
  CHECK(text.find(wall == Wall::gradient_nan    ? "the gradient by params[0] is nan, statistic 3 of 10 is nan."
                  : wall == Wall::loss_infinite ? "the loss is inf, statistic 3 of 10 is nan."
                                                : "the loss is nan, statistic 3 of 10 is nan.") != std::string::npos);
  const bool has_loss = wall == Wall::gradient_nan;
  CHECK((text.find("Start where the loss can be computed. Where it should be finite, mask the result") !=
         std::string::npos) == !has_loss);
  CHECK((text.find("The loss is finite there, its derivative is not: mask the result: where(ok") !=
         std::string::npos) == has_loss);
  CHECK(text.find("optimizer_walls.cpp:") != std::string::npos);
  CHECK(objective.evaluations() == 1);
}

TEST_CASE("a point that is not finite is never the best one") {
  const Wall wall = GENERATE(Wall::loss_minus_infinite, Wall::gradient_nan, Wall::gradient_infinite);
  Analytic objective(2, [&](auto params, auto gradient) {
    const double loss = rosenbrock(params, gradient);
    return params[0] > 0.5 ? behind(wall, loss - 10.0, gradient) : loss;
  });
  const auto fit = ag::Lbfgsb{}.minimize(objective, {-1.2, 1.0});
  CHECK(objective.walls() > 0);
  CHECK(fit.best.params(0) <= 0.5);
  std::vector<double> gradient(2);
  CHECK(fit.best.loss == Approx(rosenbrock(std::vector<double>{fit.best.params(0), fit.best.params(1)}, gradient)));
}

TEST_CASE("iterations that a wall cuts short and that gain nothing end the run after five of them") {
  std::size_t last = 0;
  Analytic objective(1, [&](auto params, auto gradient) {
    const double x = params[0];
    gradient[0] = -1.0;
    return x >= 0.0 ? behind(Wall::loss_nan, -x, gradient) : -x;
  });
  const auto fit =
      ag::Lbfgsb{.maxsteps = 1000, .ftol = 0.5, .callback = [&](const ag::Iterate& at) { last = at.step; }}.minimize(
          objective, {-0.7});
  INFO(fit.str());
  CHECK(fit.end_reason == ag::EndReason::not_finite);
  CHECK(fit.message.starts_with("STOP: THE LOSS OR ITS GRADIENT IS NOT FINITE AT POINTS CLOSE TO X"));
  CHECK(last == fit.nit);
  CHECK(fit.nit < 20);
}

// |A (x - x0)|^2, minimal at x0 with the value 0, and a plane not far from x0 behind which it is not finite.
TEST_CASE("success is never reported falsely") {
  std::mt19937_64 generator(2024);  // the same numbers on every rank and with every standard library
  const auto uniform = [&](double low, double high) {
    return low + (high - low) * static_cast<double>(generator() >> 11) * 0x1p-53;
  };
  std::size_t walled = 0;
  std::size_t succeeded = 0;
  for (int run = 0; run < 400; ++run) {
    const std::size_t n = 1 + generator() % 4;
    std::vector<double> matrix(n * n), minimum(n), normal(n), guess(n);
    for (double& a : matrix) a = uniform(-0.7, 0.7);
    for (std::size_t i = 0; i < n; ++i) {
      matrix[i * n + i] += 3.0;  // dominates the row, so that A is well conditioned
      minimum[i] = uniform(-1.0, 1.0);
      normal[i] = uniform(-1.0, 1.0);
      guess[i] = uniform(-5.0, 5.0);
    }
    const double scale = std::pow(10.0, uniform(-2.0, 2.0));
    const double distance = std::pow(10.0, uniform(-4.0, 0.0));
    const auto height = [&](std::span<const double> params) {
      double sum = -distance;
      for (std::size_t i = 0; i < n; ++i) sum += normal[i] * (params[i] - minimum[i]);
      return sum;
    };
    const auto wall = static_cast<Wall>(run % 5);
    Analytic objective(n, [&](auto params, auto gradient) {
      double loss = 0.0;
      std::ranges::fill(gradient, 0.0);
      for (std::size_t i = 0; i < n; ++i) {
        double residual = 0.0;
        for (std::size_t j = 0; j < n; ++j) residual += matrix[i * n + j] * (params[j] - minimum[j]);
        loss += scale * residual * residual;
        for (std::size_t j = 0; j < n; ++j) gradient[j] += 2.0 * scale * residual * matrix[i * n + j];
      }
      return height(params) > 0.0 ? behind(wall, loss, gradient) : loss;
    });
    if (height(guess) > 0.0) continue;
    Watch watch;
    const auto fit = ag::Lbfgsb{.callback = watch.callback()}.minimize(objective, guess);
    INFO(fmt::format("run {}: {}", run, fit));
    CHECK(watch.proper());
    CHECK(height(fit.x) <= 0.0);
    if (fit.success) {
      CHECK(fit.fun < 1e-6);
    } else {
      CHECK((speaks_of_walls(fit) || fit.nit == 100));
    }
    if (objective.walls() == 0) continue;
    ++walled;
    if (fit.success) ++succeeded;
  }
  INFO(fmt::format("{} of {} runs that met the wall converged", succeeded, walled));
  CHECK(walled > 50);
  CHECK(2 * succeeded > walled);
}

}  // namespace test_optimizer_walls
