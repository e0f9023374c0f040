// Parameters with bounds, names, scales, frozen or free.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <numbers>
#include <string>
#include <vector>

#include "allgrad/adam.hpp"
#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "allgrad/gradient_descent.hpp"
#include "allgrad/lbfgsb.hpp"
#include "check_error.hpp"
#include "lambda_model.hpp"
#include "optimizer_objectives.hpp"
#include "optimizers/param_space.hpp"

namespace test_optimizer_params {

namespace ag = allgrad;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

nlohmann::json reference() {
  return nlohmann::json::parse(std::ifstream(std::string(std::getenv("ALLGRAD_TEST_DATA")) + "/optimizers.json"));
}

// (x - a)^2 + 4 (y - b)^2 + x y / 2
Analytic bowl(double a, double b) {
  return Analytic(2, [a, b](auto p, auto gradient) {
    gradient[0] = 2.0 * (p[0] - a) + 0.5 * p[1];
    gradient[1] = 8.0 * (p[1] - b) + 0.5 * p[0];
    return (p[0] - a) * (p[0] - a) + 4.0 * (p[1] - b) * (p[1] - b) + 0.5 * p[0] * p[1];
  });
}

const std::vector<ag::Bound> bounds_of_all_kinds = {{}, {-2.0, 3.0}, {.low = -2.0}, {.high = 3.0}};

}  // namespace

TEST_CASE("Adam with bounds follows optax's path of the SMF fit in the unbounded variables") {
  const auto json = reference();
  Smf smf(json["target"].get<std::vector<double>>());
  const auto start = json["start"].get<std::vector<double>>();
  const auto& expected = json["adam_bounded"];
  const auto params = expected["params"].get<std::vector<std::vector<double>>>();
  const auto loss = expected["loss"].get<std::vector<double>>();
  const auto check = [&](const ag::Trajectory& found) {
    REQUIRE(found.loss.size() == 100);
    REQUIRE(found.params.shape(0) == 101);
    double worst = 0.0;
    for (std::size_t i = 0; i <= 100; ++i) {
      for (std::size_t k = 0; k < 2; ++k) worst = std::max(worst, std::abs(found.params(i, k) - params[i][k]));
      if (i < 100) worst = std::max(worst, std::abs(found.loss(i) - loss[i]));
    }
    CHECK(worst < 1e-10);
  };
  const double rate = expected["learning_rate"].get<double>();
  check(ag::Adam{.nsteps = 100, .param_bounds = {{-4, 0}, {-1.5, 0.5}}, .learning_rate = rate}.minimize(smf, start));
  check(
      ag::Adam{.learning_rate = rate}.minimize(smf, {{.name = "log_f", .guess = start[0], .bounds = {-4, 0}},
                                                     {.name = "log_sigma", .guess = start[1], .bounds = {-1.5, 0.5}}}));
}

TEST_CASE("L-BFGS-B with bounds finds SciPy's minimum of the SMF fit, along SciPy's iterates") {
  const auto json = reference();
  Smf smf(json["target"].get<std::vector<double>>());
  const auto& expected = json["lbfgsb_bounded"];
  const auto iterates = expected["iterates"].get<std::vector<std::vector<double>>>();
  double worst = 0.0;
  const ag::Lbfgsb lbfgsb{
      .param_bounds = {{-4, 0}, {-0.5, 1.0}}, .scipy_path = true, .callback = [&](const ag::Iterate& iterate) {
        for (std::size_t k = 0; k < 2 && iterate.step > 0; ++k) {
          worst = std::max(worst, std::abs(iterate.params[k] - iterates.at(iterate.step - 1)[k]));
        }
      }};
  const auto fit = lbfgsb.minimize(smf, json["start"].get<std::vector<double>>());
  CHECK(fit.success);
  CHECK(worst < 1e-6);
  CHECK(fit.nit == expected["nit"]);
  CHECK(fit.x(0) == Approx(expected["x"][0].get<double>()).margin(1e-6).epsilon(0));
  CHECK(fit.x(1) == -0.5);
  CHECK(fit.fun == Approx(expected["fun"].get<double>()).epsilon(1e-10));
  CHECK(fit.jac(1) == Approx(expected["jac"][1].get<double>()).epsilon(1e-6));
}

TEST_CASE("the first step of L-BFGS-B is as long with bounds as without, in units of the scales") {
  std::vector<std::vector<double>> points;
  Analytic objective(2, [&](auto params, auto gradient) {
    points.emplace_back(params.begin(), params.end());
    return rosenbrock(params, gradient);
  });
  const auto first_step = [&](ag::Bound bounds, bool scipy_path) {
    points.clear();
    ag::Lbfgsb{.maxsteps = 1, .scipy_path = scipy_path}.minimize(
        objective, {{.guess = -1.2, .bounds = bounds, .scale = 0.5}, {.guess = 1.0, .bounds = bounds, .scale = 2.0}});
    return std::vector{(points.at(1)[0] + 1.2) / 0.5, (points.at(1)[1] - 1.0) / 2.0};
  };
  const auto free = first_step({}, false), bounded = first_step({-1000.0, 1000.0}, false);
  CHECK(std::hypot(free[0], free[1]) == Approx(1.0));
  for (std::size_t i = 0; i < 2; ++i) CHECK(bounded[i] == Approx(free[i]).epsilon(1e-9));
  const auto scipy = first_step({-1000.0, 1000.0}, true);
  CHECK(scipy[0] == Approx(0.5 * 215.6));  // as long as the gradient, -215.6 and -88
  CHECK(scipy[1] == Approx(2.0 * 88.0));
}

TEST_CASE("what has converged on a bound goes on from a lower point on the way to the other side") {
  const auto double_well = [](auto p, auto gradient) {  // minima at -2 and 2
    const double u = p[0] * p[0] - 4.0;
    gradient[0] = u * p[0] / 4.0;
    return u * u / 16.0;
  };
  Analytic objective(1, double_well);
  for (const ag::Bound bound : {ag::Bound{-3.0, 1.0}, ag::Bound{.high = 0.5}}) {
    const auto fit = ag::Lbfgsb{.param_bounds = {bound}}.minimize(objective, {0.25});
    INFO(fit.str());
    CHECK(fit.success);
    CHECK(fit.x(0) == Approx(-2.0).epsilon(1e-5));
    const auto scipy = ag::Lbfgsb{.param_bounds = {bound}, .scipy_path = true}.minimize(objective, {0.25});
    CHECK(scipy.success);
    CHECK(scipy.x(0) == bound.high);
  }
  const auto stays = ag::Lbfgsb{.param_bounds = {{-1.0, 1.0}}}.minimize(objective, {0.5});  // as low on both sides
  CHECK(stays.success);
  CHECK(stays.at_bounds == std::vector<std::string>{"params[0]"});
}

TEST_CASE("L-BFGS-B does not take a plateau for a minimum") {
  Analytic ramp(2, [](auto p, auto gradient) {  // (max(x, 0) - 1)^2 + (max(y, 0) - 1)^2
    double loss = 0.0;
    for (std::size_t i = 0; i < 2; ++i) {
      const double residual = std::max(p[i], 0.0) - 1.0;
      gradient[i] = p[i] > 0.0 ? 2.0 * residual : 0.0;
      loss += residual * residual;
    }
    return loss;
  });
  for (const ag::Bounds& bounds : {ag::Bounds{}, ag::Bounds{{-1.0, 5.0}, {-5.0, 5.0}}}) {
    const auto fit = ag::Lbfgsb{.param_bounds = bounds}.minimize(ramp, {-1.0, -2.0});
    CHECK_FALSE(fit.success);
    CHECK(fit.end_reason == ag::EndReason::no_progress);
    CHECK(fit.message.find("PLATEAU") != std::string::npos);
    CHECK(fit.nfev == 2);
  }
  Analytic tail(1, [](auto p, auto gradient) {  // falls towards minus infinity
    gradient[0] = 1.0 / (1.0 + std::exp(-10.0 * p[0]));
    return std::log1p(std::exp(10.0 * p[0])) / 10.0;
  });
  CHECK_FALSE(ag::Lbfgsb{}.minimize(tail, {2.0}).success);
  Analytic minimum = bowl(-3.0, 4.0);
  const auto fit = ag::Lbfgsb{}.minimize(minimum, ag::Lbfgsb{}.minimize(minimum, {-3.0, 4.0}).x);
  CHECK(fit.success);
  CHECK(fit.nit == 0);
}

TEST_CASE("automatic scales are those of the derivatives at the guess, whatever the units of the parameters") {
  const auto model_in = [](double unit) {  // 1/2 |J p - t|^2
    return allgrad::testing::LambdaModel(
        [unit](const ag::Expr& p) {
          return ag::concatenate({ag::reshape(3.0 * p[0], {1}), ag::reshape(2.0 / unit * p[1] + p[0], {1})});
        },
        [](const ag::Sumstats& s) {
          return 0.5 * sum(square(s.value - xt::xarray<double>{6.0, 12.0}));
        });
  };
  for (const double unit : {1.0, 1e6}) {
    auto model = model_in(unit);
    const ag::Params params = {{.guess = 0.0, .scale = ag::automatic}, {.guess = 0.0, .scale = ag::automatic}};
    const auto fit = model.run_bfgs(params, {.progress = false});
    // J^T t = (30, 24), J^T J = ((10, 2), (2, 4)) for a unit of 1
    const double promise = std::max(30.0 / std::sqrt(10.0), 24.0 / std::sqrt(4.0));
    CHECK(fit.hess_inv.scale()[0] == Approx(promise / std::sqrt(10.0)));
    CHECK(fit.hess_inv.scale()[1] == Approx(unit * promise / std::sqrt(4.0)));
    CHECK(fit.x(1) == Approx(5.0 * unit).epsilon(1e-5));
    CHECK(fit.nfev <= 10);
    const auto newton = model.run_trust_region(params, {.progress = false});
    CHECK(newton.hess_inv.scale() == fit.hess_inv.scale());
    CHECK(newton.x(1) == Approx(5.0 * unit).epsilon(1e-9));
    const auto path = model.run_adam(params, {.nsteps = 3, .learning_rate = 0.1, .progress = false});
    CHECK(path.params(1, 1) == Approx(0.1 * unit * promise / 2.0).epsilon(1e-6));
    const auto within = model.run_bfgs({{.guess = 0.0, .bounds = {-0.5, 1.5}, .scale = ag::automatic},
                                        {.guess = 1.0, .scale = ag::automatic, .frozen = true}},
                                       {.progress = false});
    CHECK(within.hess_inv.scale() == std::vector<double>{2.0, 0.0});  // the distance of the bounds
  }
  Analytic objective(2, rosenbrock);
  allgrad::testing::check_error<ag::ArgumentError>(
      {"Lbfgsb: expected an objective with the Gauss-Newton matrix for automatic scales"}, [&](auto& line) {
        line = __LINE__ + 1;
        ag::Lbfgsb{}.minimize(objective, {{.guess = 1.0, .scale = ag::automatic}, {.guess = 1.0}});
      });
}

TEST_CASE("the gradient by a variable is that of the loss at the variable") {
  const ag::Bound bounds = GENERATE(from_range(bounds_of_all_kinds));
  const double guess = GENERATE(-1.99, 0.3, 2.999);
  const ag::ParamSpace space({{.guess = guess, .bounds = bounds, .scale = 1.7}}, ag::BoundsBy::transform);
  const double start = space.start()[0];
  const auto loss = [&](double u) {
    double param = 0.0;
    space.to_params({&u, 1}, {&param, 1});
    return std::sin(3.0 * param);
  };
  double param = 0.0;
  space.to_params({&start, 1}, {&param, 1});
  CHECK(param == guess);
  const double size = std::max(1.0, std::abs(start));
  for (const double shift : {0.0, -3.0, -0.01, 0.02, 4.0}) {
    const double u = start + shift * size;
    space.to_params({&u, 1}, {&param, 1});
    const double by_param = 3.0 * std::cos(3.0 * param);
    double by_variable = 0.0;
    space.chain({&u, 1}, {&by_param, 1}, {&by_variable, 1});
    const double h = 1e-5 * size;
    const double difference = (loss(u - 2 * h) - 8.0 * loss(u - h) + 8.0 * loss(u + h) - loss(u + 2 * h)) / (12.0 * h);
    CHECK(by_variable == Approx(difference).epsilon(1e-5).margin(1e-8));
  }
}

TEST_CASE("a variable's parameter rises with it, stays inside its bounds, and is it far from a single bound") {
  const ag::Bound bounds = GENERATE(from_range(bounds_of_all_kinds));
  const ag::ParamSpace space({{.guess = 0.5, .bounds = bounds}}, ag::BoundsBy::transform);
  double last = -infinity;
  for (const double u : {-1e300, -1e17, -1e6, -30.0, -1.0, -1e-9, 0.0, 0.5, 2.0, 40.0, 1e6, 1e17, 1e300}) {
    double param = 0.0;
    space.to_params({&u, 1}, {&param, 1});
    CHECK(param >= last);
    CHECK(param > bounds.low);
    CHECK(param < bounds.high);
    last = param;
  }
  const double far = 1e6 * (bounds.has_high() ? -1.0 : 1.0);
  const double by_param = 1.0;
  double by_variable = 0.0;
  space.chain({&far, 1}, {&by_param, 1}, {&by_variable, 1});
  if (!bounds.has_low() || !bounds.has_high()) CHECK(by_variable == Approx(1.0).epsilon(1e-9));
}

// The formula in long double; it moves by du * dparam/du there.
TEST_CASE("bounds that are far apart cost no digits beside either of them") {
  const double width = GENERATE(1e4, 1e8, 1e12);
  const bool at_high = GENERATE(false, true);
  const double guess = at_high ? -1.5 : 1.5;
  const ag::Bound bounds = at_high ? ag::Bound{-width, 0.0} : ag::Bound{0.0, width};
  const ag::ParamSpace space({{.guess = guess, .bounds = bounds}}, ag::BoundsBy::transform);
  const double start = space.start()[0];
  const auto formula = [&](long double u) {
    const long double pi = std::numbers::pi_v<long double>;
    return std::copysign(width * std::atan(1.0L / std::abs(u)) / pi, static_cast<long double>(guess));
  };
  CHECK(static_cast<double>(formula(start)) == Approx(guess).epsilon(1e-14));
  for (const double factor : {0.5, 0.999, 1.001, 3.0, 1e3}) {
    const double u = factor * start;
    double param = 0.0;
    space.to_params({&u, 1}, {&param, 1});
    CHECK(param == Approx(static_cast<double>(formula(u))).epsilon(1e-14));
  }
}

TEST_CASE("Adam goes downhill from the first step on where its bounds are far apart") {
  const bool at_high = GENERATE(false, true);
  const double sign = at_high ? -1.0 : 1.0;
  const ag::Bound bounds = at_high ? ag::Bound{-1e8, 0.0} : ag::Bound{0.0, 1e8};
  Analytic objective(1, [&](auto p, auto gradient) {
    gradient[0] = 2.0 * (p[0] - sign * 1.2);
    return (p[0] - sign * 1.2) * (p[0] - sign * 1.2);
  });
  const auto path = ag::Adam{.nsteps = 5, .param_bounds = {bounds}, .epsilon = 1e-30}.minimize(objective, {sign * 1.5});
  for (std::size_t i = 0; i < 5; ++i) CHECK(sign * path.params(i + 1, 0) < sign * path.params(i, 0));
  // du = 0.01 at u = -cot(pi q / 1e8), by the derivative pi / 1e8 / sin^2 of it
  const double step = 0.01 * 1e8 / std::numbers::pi * std::pow(std::sin(std::numbers::pi * 1.5e-8), 2);
  CHECK(sign * (path.params(0, 0) - path.params(1, 0)) == Approx(step).epsilon(1e-6));
}

TEST_CASE("a path whose minimum lies behind a bound ends close to the bound and never leaves it") {
  Analytic objective = bowl(-3.0, 4.0);
  const ag::Bounds bounds = {{.low = 0.0}, {.high = 1.0}};
  const auto check = [](const ag::Trajectory& path) {
    CHECK(path.success);
    for (std::size_t i = 0; i < path.params.shape(0); ++i) {
      CHECK(path.params(i, 0) > 0.0);
      CHECK(path.params(i, 1) < 1.0);
    }
    const auto last = path.last_params();
    CHECK(last(0) < 0.1);
    CHECK(last(1) > 0.9);
  };
  check(ag::Adam{.nsteps = 300, .param_bounds = bounds, .learning_rate = 0.3}.minimize(objective, {2.0, -1.0}));
  check(ag::GradientDescent{.nsteps = 3000, .param_bounds = bounds, .learning_rate = 0.1}.minimize(objective,
                                                                                                   {2.0, 0.0}));

  const auto fit = ag::Lbfgsb{.param_bounds = bounds}.minimize(objective, {2.0, -1.0});
  CHECK(fit.success);
  CHECK(fit.x(0) == 0.0);
  CHECK(fit.x(1) == 1.0);
  CHECK(fit.jac(0) == Approx(6.5));
  CHECK(ag::Lbfgsb{.param_bounds = bounds}.minimize(objective, {0.0, 1.0}).nit == 0);
}

TEST_CASE("a result names the free parameters that are on a bound") {
  Analytic objective = bowl(-3.0, 4.0);
  const auto fit = ag::Lbfgsb{}.minimize(objective, {{.name = "a", .guess = 2.0, .bounds = {0.0, 3.0}},
                                                     {.name = "b", .guess = -1.0, .bounds = {.high = 1.0}}});
  CHECK(fit.at_bounds == std::vector<std::string>{"a", "b"});
  CHECK(fit.message.ends_with("; at bounds: a, b"));
  CHECK(fit.str().find("; at bounds: a, b\n success") != std::string::npos);

  const auto inside = ag::Lbfgsb{}.minimize(
      objective, {{.name = "a", .guess = 0.0, .bounds = {.low = 0.0}, .frozen = true}, {"b", 2.0}});
  CHECK(inside.at_bounds.empty());
  CHECK(inside.str().find("at bounds") == std::string::npos);
}

TEST_CASE("with scales an optimizer walks in params / scale") {
  const std::vector<double> scale = {3.0, 0.07};
  Analytic objective(2, rosenbrock);
  Analytic scaled(2, [&](auto variables, auto gradient) {
    const double loss = rosenbrock(std::vector{scale[0] * variables[0], scale[1] * variables[1]}, gradient);
    for (std::size_t i = 0; i < 2; ++i) gradient[i] *= scale[i];
    return loss;
  });
  const ag::Params params = {{.guess = -1.2, .scale = scale[0]}, {.guess = 1.0, .scale = scale[1]}};
  const std::vector<double> guess = {-1.2 / scale[0], 1.0 / scale[1]};

  const auto path = ag::Adam{.nsteps = 20}.minimize(objective, params).params;
  const auto of_variables = ag::Adam{.nsteps = 20}.minimize(scaled, guess).params;
  for (std::size_t i = 0; i < 2; ++i) CHECK(path(20, i) == Approx(scale[i] * of_variables(20, i)).epsilon(1e-9));
  CHECK(path(0, 0) == -1.2);

  const auto fit = ag::Lbfgsb{.maxsteps = 8}.minimize(objective, params);
  const auto expected = ag::Lbfgsb{.maxsteps = 8}.minimize(scaled, guess);
  CHECK(fit.nfev == expected.nfev);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(fit.x(i) == Approx(scale[i] * expected.x(i)).epsilon(1e-7));
    for (std::size_t k = 0; k < 2; ++k) {
      CHECK(fit.hess_inv.dense()(i, k) == Approx(scale[i] * scale[k] * expected.hess_inv.dense()(i, k)).epsilon(1e-5));
    }
  }
}

TEST_CASE("a scaled parameter ends on its bound to the bit") {
  Analytic objective = bowl(-3.0, 4.0);
  const auto fit = ag::Lbfgsb{}.minimize(objective, {{.guess = 2.0, .bounds = {.low = 0.1}, .scale = 0.3},
                                                     {.guess = 0.0, .bounds = {.high = 0.7}, .scale = 7.0}});
  CHECK(fit.x(0) == 0.1);
  CHECK(fit.x(1) == 0.7);
}

TEST_CASE("a frozen parameter keeps its guess and is left to the objective to skip") {
  std::vector<std::vector<bool>> frozen;
  Analytic objective(3, [&](auto p, auto gradient, const ag::EvaluationOptions& options) {
    frozen.push_back(options.frozen);
    const double loss = rosenbrock(std::vector{p[0], p[2]}, gradient);
    gradient[2] = gradient[1];
    gradient[1] = std::nan("");
    return loss + p[1];
  });
  Analytic without(2, rosenbrock);
  const ag::Params params = {
      {"a", -1.2}, {.name = "b", .guess = 0.3, .bounds = {0.3, 1.0}, .frozen = true}, {"c", 1.0}};

  const auto path = ag::Adam{.nsteps = 30}.minimize(objective, params);
  const auto expected = ag::Adam{.nsteps = 30}.minimize(without, {-1.2, 1.0});
  CHECK(path.skipped == 0);
  CHECK(path.names == std::vector<std::string>{"a", "b", "c"});
  for (std::size_t i = 0; i <= 30; ++i) {
    CHECK(path.params(i, 0) == expected.params(i, 0));
    CHECK(path.params(i, 1) == 0.3);
    CHECK(path.params(i, 2) == expected.params(i, 1));
  }
  CHECK(path.best.params(1) == 0.3);

  const auto fit = ag::Lbfgsb{}.minimize(objective, params);
  CHECK(fit.success);
  CHECK(fit.x(1) == 0.3);
  CHECK(fit.jac(1) == 0.0);
  CHECK(fit.fun == Approx(0.3));
  const auto inverse = fit.hess_inv.dense();
  for (std::size_t i = 0; i < 3; ++i) CHECK((inverse(1, i) == 0.0 && inverse(i, 1) == 0.0));
  CHECK(inverse(0, 2) > 0.0);
  CHECK(std::ranges::all_of(frozen, [](const auto& f) { return f == std::vector{false, true, false}; }));

  frozen.clear();
  Analytic all_free(1, [&](auto p, auto gradient, const ag::EvaluationOptions& options) {
    frozen.push_back(options.frozen);
    gradient[0] = p[0];
    return 0.5 * p[0] * p[0];
  });
  ag::Lbfgsb{}.minimize(all_free, {1.0});
  CHECK(std::ranges::all_of(frozen, [](const auto& f) { return f.empty(); }));
}

TEST_CASE("results speak of parameters by name") {
  Analytic objective(2, rosenbrock);
  const auto fit = ag::Lbfgsb{}.minimize(objective, {{"log_m1", 1.0}, {"beta", 1.0}});
  CHECK(fit.names == std::vector<std::string>{"log_m1", "beta"});
  CHECK(fit.str().find("       x: log_m1 = 1, beta = 1\n     jac: log_m1 = ") != std::string::npos);
  CHECK(ag::Lbfgsb{}.minimize(objective, {1.0, 1.0}).names == std::vector<std::string>{"params[0]", "params[1]"});
  CHECK(ag::Lbfgsb{}.minimize(objective, ag::Params{{.guess = 1.0}, {"b", 1.0}}).names[0] == "params[0]");
}

}  // namespace test_optimizer_params
