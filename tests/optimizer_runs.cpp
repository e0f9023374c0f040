// How runs of optimizers go on: steps by hand, learning rates, keys, steps that are skipped.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "allgrad/adam.hpp"
#include "allgrad/error.hpp"
#include "allgrad/gradient_descent.hpp"
#include "allgrad/lbfgsb.hpp"
#include "allgrad/random.hpp"
#include "check_error.hpp"
#include "optimizer_objectives.hpp"
#include "said.hpp"

namespace test_optimizer_runs {

namespace ag = allgrad;
using allgrad::testing::check_error;
using allgrad::testing::check_parts;
using allgrad::testing::Said;
using Keys = std::vector<std::optional<ag::Key>>;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

// Rosenbrock's function of parameters that a key shifts.
Analytic noisy() {
  return Analytic(2, [](auto p, auto gradient, const ag::EvaluationOptions& options) {
    const double shift = options.randkey ? 1e-10 * options.randkey->words()[1] : 0.0;
    return rosenbrock(std::vector{p[0] + shift, p[1] - shift}, gradient);
  });
}

// Rosenbrock's function, of which the evaluations that are listed give no finite numbers.
Analytic with_gaps(std::vector<std::size_t> gaps, double loss = not_a_number) {
  return Analytic(2, [gaps, loss, evaluation = std::size_t{0}](auto p, auto gradient) mutable {
    const double value = rosenbrock(p, gradient);
    if (std::ranges::find(gaps, evaluation++) == gaps.end()) return value;
    gradient[1] = not_a_number;
    return loss;
  });
}

}  // namespace

TEST_CASE("steps by hand are the steps of minimize") {
  Analytic objective = noisy();
  const std::vector<double> guess = {-1.2, 1.0};
  const auto check = [&](const auto& optimizer, const auto& all_of) {
    auto state = optimizer.init(objective, guess);
    CHECK(objective.evaluations() == 0);
    CHECK_FALSE(state.ended());
    CHECK(std::ranges::equal(state.params(), guess));
    CHECK(std::isnan(state.iterate().loss));
    CHECK(state.end_reason() == ag::EndReason::running);
    std::size_t steps = 0;
    for (; !state.ended(); ++steps) {
      CHECK(state.step() == steps);
      CHECK(state.message().empty());
      optimizer.step(state);
    }
    const std::size_t evaluations = objective.evaluations();
    optimizer.step(state);
    CHECK(objective.evaluations() == evaluations);
    CHECK(state.step() == steps);
    CHECK(all_of(state.result()) == all_of(optimizer.minimize(objective, guess)));
    CHECK(state.message() == state.result().message);
    CHECK(state.success() == state.result().success);
    CHECK(state.end_reason() == state.result().end_reason);
    return state;
  };
  const auto of_path = [](const ag::Trajectory& path) {
    return std::tuple(path.loss, path.params, path.message, path.success, path.best.loss, path.best.step);
  };
  const auto of_fit = [](const ag::OptimizeResult& fit) {
    return std::tuple(fit.x, fit.fun, fit.jac, fit.nit, fit.nfev, fit.message, fit.success, fit.best.loss);
  };
  SECTION("Adam") {
    const auto state = check(ag::Adam{.nsteps = 12, .param_bounds = {{-3, 3}, {.low = 0}}, .randkey = 42}, of_path);
    CHECK(state.step() == 12);
    CHECK(state.end_reason() == ag::EndReason::steps_taken);
    CHECK(state.iterate().step == 11);
    CHECK(state.iterate().loss == state.result().loss(11));
    CHECK(state.iterate().params[0] == state.result().params(11, 0));
    CHECK(state.params()[0] == state.result().params(12, 0));
  }
  SECTION("gradient descent") { check(ag::GradientDescent{.nsteps = 7, .learning_rate = 1e-4, .randkey = 3}, of_path); }
  SECTION("L-BFGS-B") {
    const auto state = check(ag::Lbfgsb{.ftol = 0.0}, of_fit);
    CHECK(state.success());
    CHECK(state.iterate().step == state.step());
    CHECK(state.params()[0] == Approx(1.0).epsilon(1e-4));
  }
  SECTION("L-BFGS-B that runs out of steps") { check(ag::Lbfgsb{.maxsteps = 4, .randkey = 9}, of_fit); }
}

TEST_CASE("a step takes the options as they are then") {
  Analytic objective(2, rosenbrock);
  ag::GradientDescent descent{.nsteps = 3, .learning_rate = 1e-3};
  auto state = descent.init(objective, {0.0, 0.0});
  descent.step(state);
  CHECK(state.params()[0] == Approx(2e-3));
  descent.learning_rate = 1e-1;
  const double by_x = [&] {
    std::vector<double> gradient(2);
    rosenbrock(state.params(), gradient);
    return gradient[0];
  }();
  const double x = state.params()[0];
  descent.step(state);
  CHECK(state.params()[0] == Approx(x - 0.1 * by_x));
  descent.nsteps = 2;
  descent.step(state);
  CHECK(state.ended());
  CHECK(state.message() == "all 3 steps were taken");
}

TEST_CASE("a learning rate may depend on the step") {
  Rows objective(3);
  const auto rate = [](std::size_t step) { return step < 2 ? 0.01 * static_cast<double>(step) : 0.05; };
  const auto path = ag::GradientDescent{.nsteps = 4, .learning_rate = rate}.minimize(objective, {3.0, 0.0});
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(path.params(i + 1, 0) == Approx(path.params(i, 0) - rate(i) * 6.0 * (path.params(i, 0) - 1.0)));
  }
  CHECK(path.params(1, 0) == 3.0);

  const auto of_adam = ag::Adam{.nsteps = 3, .learning_rate = rate}.minimize(objective, {3.0, 0.0}).params;
  CHECK(of_adam(1, 0) == 3.0);
  CHECK(of_adam(2, 0) == Approx(2.99));
  CHECK(of_adam(3, 0) == Approx(2.94).epsilon(1e-3));
}

TEST_CASE("a learning rate that cannot be used at a step") {
  Rows objective(3);
  const double bad = GENERATE(as<double>{}, not_a_number, -0.5, infinity);
  const std::size_t bad_step = GENERATE(2U, 3U);  // 3: the last one, after which nothing is evaluated
  check_error<ag::ArgumentError>(
      {fmt::format("Adam: expected a finite number, at least 0, for learning_rate({}), got {}. "
                   "Let learning_rate give one for every step.",
                   bad_step, bad)},
      [&](unsigned& line) {
        const ag::Adam adam{.nsteps = 4,
                            .learning_rate = [&](std::size_t step) { return step == bad_step ? bad : 0.1; }};
        line = __LINE__ + 1;
        adam.minimize(objective, {3.0, 0.0});
      });
  CHECK(objective.evaluations() == bad_step + 1);
}

TEST_CASE("each step of Adam has a key of its own") {
  Keys keys;
  Analytic objective(1, [&](auto p, auto gradient, const ag::EvaluationOptions& options) {
    keys.push_back(options.randkey);
    gradient[0] = p[0];
    return 0.5 * p[0] * p[0];
  });
  const ag::Key key = 42;
  ag::Adam{.nsteps = 3, .randkey = key}.minimize(objective, {1.0});
  CHECK(keys == Keys{ag::random::fold_in(key, 0), ag::random::fold_in(key, 1), ag::random::fold_in(key, 2)});
  keys.clear();
  ag::Adam{.nsteps = 2, .randkey = key, .const_randkey = true}.minimize(objective, {1.0});
  CHECK(keys == Keys{key, key});
  keys.clear();
  ag::Adam{.nsteps = 2}.minimize(objective, {1.0});
  CHECK(keys == Keys{{}, {}});
  keys.clear();
  ag::GradientDescent{.nsteps = 2, .randkey = key}.minimize(objective, {1.0});
  CHECK(keys == Keys{key, key});
  keys.clear();
  ag::Lbfgsb{.randkey = key}.minimize(objective, {1.0});
  CHECK(keys.size() > 1);
  CHECK(std::ranges::all_of(keys, [&](const auto& k) { return k == key; }));
  keys.clear();
  const ag::Adam adam{.randkey = key};
  auto state = adam.init(objective, {1.0});
  adam.step(state, 7);
  adam.step(state);
  CHECK(keys == Keys{ag::Key(7), ag::random::fold_in(key, 1)});
}

TEST_CASE("with another key for the next step, one whose loss is not finite is skipped as if it had not been") {
  const double loss =
      GENERATE(as<double>{}, not_a_number, infinity, 1.0);  // beside 1.0, the gradient alone is not finite
  Said said;
  Analytic objective = with_gaps({1, 4, 5, 9}, loss);
  Analytic without(2, rosenbrock);
  const auto check = [&](const auto& path, auto with_fewer_steps) {
    const auto expected = with_fewer_steps.minimize(without, {-1.2, 1.0});
    CHECK(path.success);
    CHECK(path.skipped == 4);
    REQUIRE(path.loss.size() == 10);
    CHECK(expected.loss.size() == 6);
    const std::vector<std::size_t> taken = {0, 2, 3, 6, 7, 8};
    for (std::size_t i = 0; i < taken.size(); ++i) {
      CHECK(path.loss(taken[i]) == expected.loss(i));
      for (std::size_t k = 0; k < 2; ++k) CHECK(path.params(taken[i], k) == expected.params(i, k));
    }
    CHECK((path.last_params() == expected.last_params()));
    CHECK(path.params(1, 0) == path.params(2, 0));
    CHECK((std::isnan(loss) ? std::isnan(path.loss(4)) : path.loss(4) == loss));
    CHECK(path.best.step == taken[expected.best.step]);
    check_parts(path.message,
                {"all 10 steps were taken, 4 of them skipped; of the last of these: ",
                 std::isfinite(loss) ? "these: the gradient by params[1]" : fmt::format("the loss is {}", loss)});
    CHECK(path.not_finite.ends_with("the gradient by params[1] is nan, statistic 3 of 10 is nan"));
  };
  SECTION("Adam") {
    check(ag::Adam{.nsteps = 10, .randkey = 1}.minimize(objective, {-1.2, 1.0}), ag::Adam{.nsteps = 6});
  }
  SECTION("gradient descent") {
    const ag::GradientDescent descent{.nsteps = 10, .learning_rate = 1e-4};
    auto state = descent.init(objective, {-1.2, 1.0});
    while (!state.ended()) descent.step(state, static_cast<int>(state.step()));
    check(state.result(), ag::GradientDescent{.nsteps = 6, .learning_rate = 1e-4});
  }
  CHECK(objective.explanations() == 3);  // of the first in each row
  REQUIRE(said.warnings.size() == (objective.communicator().is_root() ? 1 : 0));
  if (!said.warnings.empty())
    check_parts(said.warnings[0], {"skips step 1: at params[0] = -1.", "the gradient by params[1]"});
}

TEST_CASE("without another key, a step into the undefined is taken again with half its length") {
  Said said;
  const auto rate = GENERATE(0.7, 1.1, 5.0);
  Analytic objective(1, [](auto p, auto gradient) {  // NaN below 0, minimal at 0.05
    gradient[0] = 1.0 - 0.05 / p[0];
    return p[0] - 0.05 * std::log(p[0]);
  });
  const auto check = [&](const ag::Trajectory& path) {
    CHECK(path.success);
    CHECK(path.skipped > 0);
    CHECK(path.skipped == objective.walls());
    CHECK(path.best.params(0) == Approx(0.05).epsilon(0.2));
    double from = path.params(0, 0);  // of the last step that was taken
    for (std::size_t i = 0; i < path.loss.size(); ++i) {
      const double x = path.params(i, 0);
      if (std::isfinite(path.loss(i))) {
        from = x;
      } else {
        CHECK(x < 0.0);
        CHECK(path.params(i + 1, 0) == Approx(0.5 * (from + x)));
      }
    }
  };
  SECTION("Adam") {
    const auto decaying = [rate](std::size_t step) { return rate / (1.0 + 0.2 * static_cast<double>(step)); };
    const ag::Adam adam{.nsteps = 400, .learning_rate = decaying, .randkey = 1, .const_randkey = true};
    check(adam.minimize(objective, {0.6}));
  }
  SECTION("gradient descent") {
    const auto decaying = [rate](std::size_t step) { return step < 3 ? rate : 0.01; };
    check(ag::GradientDescent{.nsteps = 400, .learning_rate = decaying}.minimize(objective, {0.6}));
  }
}

TEST_CASE("many steps in a row that are skipped end the run") {
  Said said;
  Analytic objective(1, [](auto params, auto gradient) {  // defined at the guess alone
    gradient[0] = 1.0;
    return params[0] == 1.0 ? 3.0 : -std::numeric_limits<double>::quiet_NaN();
  });
  const ag::Adam adam{.learning_rate = 0.4, .max_skips_in_a_row = 5};
  const auto path = adam.minimize(objective, {{"mass", 1.0}});
  CHECK_FALSE(path.success);
  CHECK(path.end_reason == ag::EndReason::not_finite);
  CHECK(path.skipped == 5);
  REQUIRE(path.loss.size() == 6);
  CHECK(path.params.shape(0) == 7);
  for (std::size_t i = 1; i < 7; ++i) {
    CHECK(path.params(i, 0) == Approx(1.0 - 0.4 * std::exp2(1.0 - static_cast<double>(i))));
  }
  CHECK(path.best.step == 0);
  check_parts(path.str(), {"    loss: 3 ... nan\n"});
  CHECK(objective.explanations() == 2);  // of the first and of the last
  check_parts(path.message,
              {"5 steps in a row were skipped. Of the last, at mass = 0.975: the loss is nan, statistic 3",
               "Lower learning_rate, start from a better guess, or use Lbfgsb"});
  CHECK(said.warnings.size() == (objective.communicator().is_root() ? 2 : 0));
}

TEST_CASE("a step that leads to parameters that are not finite is skipped") {
  Said said;
  Analytic objective(1, [](auto params, auto gradient) {
    gradient[0] = 1.0 / params[0];
    return std::log(params[0]);
  });
  const auto rate = [](std::size_t step) { return step == 0 ? 1e-21 : 1e300; };
  const auto path = ag::GradientDescent{.learning_rate = rate}.minimize(objective, {2e-10});
  CHECK_FALSE(path.success);
  CHECK(path.skipped == 10);
  CHECK(path.last_params()(0) == Approx(2e-10).epsilon(1e-4));
  CHECK(path.not_finite == "the step leads to params[0] = -inf");
  CHECK(path.best.loss == path.loss(1));

  const auto at_guess = ag::GradientDescent{.learning_rate = 1e300}.minimize(objective, {1e-10});
  CHECK(at_guess.skipped == 1);  // there is no way back from the guess
  CHECK(at_guess.last_params()(0) == 1e-10);
  CHECK(at_guess.message.starts_with(
      "no step leads on. Of the last, at params[0] = 1e-10: the step leads to params[0] = -inf. Lower"));
}

TEST_CASE("a gradient whose square overflows does not spoil Adam's moments") {
  Said said;
  std::size_t evaluations = 0;
  Analytic objective(1, [&](auto p, auto gradient) {
    gradient[0] = evaluations++ == 2 ? 1e160 : 2.0 * p[0];
    return p[0] * p[0];
  });
  const auto path = ag::Adam{.nsteps = 60, .learning_rate = 0.1, .randkey = 1}.minimize(objective, {{"x", 3.0}});
  CHECK(path.success);
  CHECK(path.skipped == 1);
  CHECK(path.not_finite == "the gradient is too large to compute with: x = 1e+160");
  CHECK(path.params(3, 0) == path.params(2, 0));
  CHECK(std::abs(path.last_params()(0)) < 0.3);
}

TEST_CASE("a loss that is not finite at the guess") {
  Said said;
  const auto check = [](auto optimizer) {
    Analytic objective = with_gaps({0});
    check_error<ag::ArgumentError>(
        {": expected a guess at which loss and gradient are finite, but at params[0] = -1.2, ",
         "the loss is nan, the gradient by params[1] is nan, statistic 3 of 10 is nan. Start"},
        [&](unsigned& line) {
          line = __LINE__ + 1;
          optimizer.minimize(objective, {-1.2, 1.0});
        });
  };
  check(ag::Adam{});
  check(ag::Adam{.randkey = 1, .const_randkey = true});
  check(ag::GradientDescent{.randkey = 1});
  check(ag::Lbfgsb{.randkey = 1});

  Analytic objective = with_gaps({0});  // the next key may do better
  const auto path = ag::Adam{.nsteps = 2, .randkey = 1}.minimize(objective, {-1.2, 1.0});
  CHECK(path.success);
  CHECK(path.skipped == 1);
  CHECK(path.best.step == 1);
  CHECK(path.params(1, 0) == -1.2);
}

TEST_CASE("a loss that is never finite leaves the guess") {
  Said said;
  Analytic objective(2, [](auto, auto gradient) {
    gradient[0] = infinity;
    return not_a_number;
  });
  const auto path = ag::Adam{.randkey = 1}.minimize(objective, {-1.2, 1.0});
  CHECK_FALSE(path.success);
  CHECK(path.skipped == 10);
  CHECK(std::isnan(path.best.loss));
  CHECK((path.best.params == xt::xtensor<double, 1>{-1.2, 1.0}));
}

TEST_CASE("L-BFGS-B counts and reports where it backs off") {
  Analytic objective(1, [](auto params, auto gradient) {
    const double x = params[0];
    gradient[0] = 1.0 / (1.0 - x) - 1.0 / x;
    return -std::log(x) - std::log(1.0 - x);  // NaN outside of (0, 1)
  });
  const auto fit = ag::Lbfgsb{}.minimize(objective, {{"x", 0.9}});
  CHECK(fit.success);
  CHECK(fit.backed_off == objective.walls());
  CHECK(fit.backed_off > 0);
  CHECK(objective.explanations() > 0);
  check_parts(fit.not_finite, {"the loss is ", "nan, statistic 3 of 10 is nan"});
  check_parts(fit.str(), {fmt::format("backed off: {}; the last: the loss is ", fit.backed_off)});

  Analytic wall(1, [](auto params, auto gradient) {
    gradient[0] = params[0] > 1.0 ? not_a_number : -1.0;
    return -params[0];
  });
  const auto stuck = ag::Lbfgsb{}.minimize(wall, {{"x", 0.3}});
  CHECK_FALSE(stuck.success);
  check_parts(stuck.message, {"NOT FINITE AT POINTS CLOSE TO X: the gradient by x is nan, statistic 3 of 10 is nan"});
}

TEST_CASE("the best point is that of the lowest loss") {
  Rows objective(3);
  const ag::GradientDescent too_fast{.nsteps = 20, .learning_rate = 0.12};  // for the second parameter
  const auto path = too_fast.minimize(objective, {3.0, -1.1});
  const auto lowest = std::min_element(path.loss.begin(), path.loss.end());
  CHECK(path.best.step == static_cast<std::size_t>(lowest - path.loss.begin()));
  CHECK(path.best.step > 0);
  CHECK(path.best.step < 10);
  CHECK(path.best.loss == *lowest);
  for (std::size_t k = 0; k < 2; ++k) CHECK(path.best.params(k) == path.params(path.best.step, k));

  const auto fit = ag::Lbfgsb{}.minimize(objective, {3.0, -2.0});
  CHECK(fit.best.loss == fit.fun);
  CHECK((fit.best.params == fit.x));
  CHECK(fit.best.step == fit.nit);
}

}  // namespace test_optimizer_runs
