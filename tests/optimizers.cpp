#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>
#include <xtensor/xarray.hpp>

#include "allgrad/adam.hpp"
#include "allgrad/gradient_descent.hpp"
#include "allgrad/lbfgsb.hpp"
#include "catch.hpp"
#include "optimizer_objectives.hpp"

namespace test_optimizers {

namespace ag = allgrad;

namespace {

const nlohmann::json& reference() {
  static const auto json =
      nlohmann::json::parse(std::ifstream(std::string(std::getenv("ALLGRAD_TEST_DATA")) + "/optimizers.json"));
  return json;
}

Smf reference_smf() { return Smf(reference()["target"].get<std::vector<double>>()); }

std::vector<double> reference_start() { return reference()["start"].get<std::vector<double>>(); }

void check_trajectory(const ag::Trajectory& found, const nlohmann::json& expected) {
  const auto params = expected["params"].get<std::vector<std::vector<double>>>();
  const auto loss = expected["loss"].get<std::vector<double>>();
  REQUIRE(found.params.shape(0) == params.size());
  REQUIRE(found.params.shape(1) == 2);
  REQUIRE(found.loss.size() == loss.size());
  double worst = 0.0;
  for (std::size_t i = 0; i < params.size(); ++i) {
    for (std::size_t k = 0; k < 2; ++k) worst = std::max(worst, std::abs(found.params(i, k) - params[i][k]));
  }
  for (std::size_t i = 0; i < loss.size(); ++i) worst = std::max(worst, std::abs(found.loss(i) - loss[i]));
  CHECK(worst < 1e-10);
}

bool has(const std::string& text, const std::string& part) {
  UNSCOPED_INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("gradient descent follows optax's path of the SMF fit") {
  Smf smf = reference_smf();
  const auto& expected = reference()["gradient_descent"];
  const ag::GradientDescent descent{.nsteps = 50, .learning_rate = expected["learning_rate"].get<double>()};
  check_trajectory(descent.minimize(smf, reference_start()), expected);
  CHECK(smf.evaluations() == 50);
}

TEST_CASE("Adam follows optax's path of the SMF fit") {
  Smf smf = reference_smf();
  const auto& expected = reference()["adam"];
  const ag::Adam adam{.nsteps = 100, .learning_rate = expected["learning_rate"].get<double>()};
  check_trajectory(adam.minimize(smf, reference_start()), expected);
  CHECK(smf.evaluations() == 100);
}

TEST_CASE("L-BFGS-B finds SciPy's minimum of the SMF fit, along SciPy's iterates") {
  Smf smf = reference_smf();
  const auto& expected = reference()["lbfgsb"];
  const auto iterates = expected["iterates"].get<std::vector<std::vector<double>>>();
  double worst = 0.0;
  const ag::Lbfgsb lbfgsb{.callback = [&](const ag::Iterate& iterate) {
    if (iterate.step == 0) return;
    for (std::size_t k = 0; k < 2; ++k) {
      worst = std::max(worst, std::abs(iterate.params[k] - iterates.at(iterate.step - 1)[k]));
    }
  }};
  const auto fit = lbfgsb.minimize(smf, reference_start());
  CHECK(fit.success);
  CHECK(has(fit.message, "CONVERGENCE: NORM"));
  for (std::size_t k = 0; k < 2; ++k) {
    CHECK(fit.x(k) == Approx(expected["x"][k].get<double>()).margin(1e-6).epsilon(0));
    CHECK(std::abs(fit.jac(k)) < 1e-5);
  }
  CHECK(fit.end_reason == ag::EndReason::converged);
  CHECK(fit.fun < 1e-12);
  CHECK(fit.nit == expected["nit"]);
  CHECK(fit.nfev == expected["nfev"]);
  CHECK(fit.nfev == smf.evaluations());
  CHECK(worst < 1e-6);
}

TEST_CASE("a sum over rows, of which one rank has none") {
  Rows objective(9);
  const auto path = ag::GradientDescent{.nsteps = 2, .learning_rate = 0.01}.minimize(objective, {1.0, 0.0});
  CHECK(path.loss(0) == Approx(141.0 + 3 * 204.0));
  CHECK(path.params(1, 0) == Approx(1.0 + 0.01 * 2 * 27.0));
  CHECK(path.params(1, 1) == Approx(0.0 - 0.01 * 6 * 36.0));
  CHECK(path.params(2, 0) == Approx(path.params(1, 0) - 0.01 * 18 * (path.params(1, 0) - 4.0)));

  const auto fit = ag::Lbfgsb{}.minimize(objective, {1.0, 0.0});
  CHECK(fit.success);
  CHECK(fit.x(0) == Approx(4.0).epsilon(1e-6));
  CHECK(fit.x(1) == Approx(-4.0).epsilon(1e-6));
  CHECK(fit.fun == Approx(4 * 60.0));
}

TEST_CASE("L-BFGS-B minimizes Rosenbrock's function") {
  Analytic objective(2, rosenbrock);
  const auto fit = ag::Lbfgsb{.ftol = 0.0, .memory = 5}.minimize(objective, {-1.2, 1.0});
  CHECK(fit.success);
  CHECK(fit.x(0) == Approx(1.0).epsilon(1e-4));
  CHECK(fit.x(1) == Approx(1.0).epsilon(1e-4));
  CHECK(std::max(std::abs(fit.jac(0)), std::abs(fit.jac(1))) <= 1e-5);

  const auto loose = ag::Lbfgsb{.ftol = 0.5}.minimize(objective, {-1.2, 1.0});
  CHECK(loose.success);
  CHECK(has(loose.message, "REL_REDUCTION_OF_F"));
  CHECK(loose.nit < fit.nit);
}

TEST_CASE("L-BFGS-B says that it ran out of steps") {
  Analytic objective(2, rosenbrock);
  const auto fit = ag::Lbfgsb{.maxsteps = 3}.minimize(objective, {-1.2, 1.0});
  CHECK_FALSE(fit.success);
  CHECK(fit.end_reason == ag::EndReason::limit_reached);
  CHECK(fit.nit == 3);
  CHECK(fit.nfev == objective.evaluations());
  CHECK(has(fit.message, "TOTAL NO. OF ITERATIONS REACHED LIMIT"));
  std::vector<double> gradient(2);
  CHECK(fit.fun == Approx(rosenbrock(std::vector<double>{fit.x(0), fit.x(1)}, gradient)));
}

TEST_CASE("L-BFGS-B keeps its message where the line search fails") {
  Analytic uphill(1, [](auto params, auto gradient) {
    gradient[0] = -2.0 * params[0];
    return params[0] * params[0];
  });
  const auto fit = ag::Lbfgsb{}.minimize(uphill, {0.3});
  CHECK_FALSE(fit.success);
  CHECK(fit.message == "ABNORMAL_TERMINATION_IN_LNSRCH");
  CHECK(fit.end_reason == ag::EndReason::no_progress);
  CHECK(fit.x(0) == 0.3);
}

TEST_CASE("L-BFGS-B ends at once where the guess is the minimum") {
  Analytic objective(2, rosenbrock);
  const auto fit = ag::Lbfgsb{}.minimize(objective, {1.0, 1.0});
  CHECK(fit.success);
  CHECK(fit.nit == 0);
  CHECK(fit.nfev == 2);  // and beside it, to see that it is on no plateau
}

TEST_CASE("runs of L-BFGS-B may interleave") {
  Analytic outer(2, rosenbrock);
  Analytic inner(2, rosenbrock);
  const auto alone = ag::Lbfgsb{}.minimize(outer, {-1.2, 1.0});
  const ag::Lbfgsb nested{.callback = [&](const ag::Iterate&) { ag::Lbfgsb{}.minimize(inner, {2.0, -1.0}); }};
  const auto interleaved = nested.minimize(outer, {-1.2, 1.0});
  CHECK((interleaved.x == alone.x));
  CHECK(interleaved.nfev == alone.nfev);
  CHECK(inner.evaluations() > alone.nit);
}

TEST_CASE("a guess is a list, a vector or an array") {
  Analytic objective(2, rosenbrock);
  const ag::Adam adam{.nsteps = 3};
  const auto expected = adam.minimize(objective, {-1.2, 1.0}).params;
  CHECK((adam.minimize(objective, std::vector<double>{-1.2, 1.0}).params == expected));
  CHECK((adam.minimize(objective, xt::xtensor<double, 1>{-1.2, 1.0}).params == expected));
  CHECK((adam.minimize(objective, xt::xarray<double>{-1.2, 1.0}).params == expected));
}

TEST_CASE("a callback sees every point whose loss is known") {
  Analytic objective(2, rosenbrock);
  std::vector<std::size_t> steps;
  std::vector<double> losses;
  bool consistent = true;
  const ag::Callback callback = [&](const ag::Iterate& iterate) {
    steps.push_back(iterate.step);
    losses.push_back(iterate.loss);
    std::vector<double> gradient(2);
    consistent = consistent && iterate.loss == Approx(rosenbrock(iterate.params, gradient)) &&
                 iterate.gradient[0] == Approx(gradient[0]) && iterate.gradient[1] == Approx(gradient[1]);
  };
  SECTION("Adam") {
    const auto path = ag::Adam{.nsteps = 3, .callback = callback}.minimize(objective, {-1.2, 1.0});
    CHECK(steps == std::vector<std::size_t>{0, 1, 2});
    CHECK(losses == std::vector<double>(path.loss.begin(), path.loss.end()));
  }
  SECTION("gradient descent") {
    ag::GradientDescent{.nsteps = 2, .learning_rate = 1e-4, .callback = callback}.minimize(objective, {-1.2, 1.0});
    CHECK(steps == std::vector<std::size_t>{0, 1});
  }
  SECTION("L-BFGS-B") {
    const auto fit = ag::Lbfgsb{.callback = callback}.minimize(objective, {-1.2, 1.0});
    REQUIRE(steps.size() == fit.nit + 1);
    CHECK(steps.back() == fit.nit);
    CHECK(losses.back() == fit.fun);
    CHECK(std::is_sorted(losses.rbegin(), losses.rend()));
  }
  CHECK(consistent);
}

TEST_CASE("results print as text") {
  const ag::OptimizeResult fit{.message = "CONVERGENCE: NORM",
                               .success = true,
                               .fun = 8.0,
                               .x = {1.0, -2.5},
                               .jac = {1e-7, 0.0},
                               .nfev = 6,
                               .nit = 5};
  CHECK(fmt::format("{}", fit) ==
        " message: CONVERGENCE: NORM\n success: true\n     fun: 8\n       x: [1, -2.5]\n     jac: [1e-07, 0]\n"
        "    nfev: 6\n     nit: 5");
  Rows objective(3);
  const ag::GradientDescent descent{.nsteps = 4, .learning_rate = 0.125};
  CHECK(fmt::format("{}", descent.minimize(objective, {0.5, -1.0})) ==
        " message: all 4 steps were taken\n success: true\n  nsteps: 4\n    loss: 8.75 ... 8.0001831\n"
        "  params: [0.5, -1] ... [0.99804688, -1]\n    best: 8.0001831 at step 3, [0.9921875, -1]");
  CHECK(fmt::format("{}", descent.minimize(objective, {{"x", 0.5}, {"y", -1.0}})) ==
        " message: all 4 steps were taken\n success: true\n  nsteps: 4\n    loss: 8.75 ... 8.0001831\n"
        "  params: x = 0.5, y = -1 ... x = 0.99804688, y = -1\n    best: 8.0001831 at step 3, x = 0.9921875, y = -1");
}

}  // namespace test_optimizers
