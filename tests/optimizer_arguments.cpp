// Arguments of optimizers that cannot be used, or that differ between ranks: the message of each.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "allgrad/adam.hpp"
#include "allgrad/error.hpp"
#include "allgrad/gradient_descent.hpp"
#include "allgrad/lbfgsb.hpp"
#include "check_error.hpp"
#include "optimizer_objectives.hpp"

namespace test_optimizer_arguments {

namespace ag = allgrad;
using allgrad::testing::check_error;
using allgrad::testing::check_parts;
using Parts = std::vector<std::string>;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// Checks that `optimizer` refuses `guess` with an E on every rank, without an evaluation.
template <class E, class Optimizer>
void check_refuses(const Optimizer& optimizer, const ag::Guess& guess, const Parts& parts) {
  Analytic objective(2, rosenbrock);
  check_error<E>(parts, [&](unsigned& line) {
    line = __LINE__ + 1;
    optimizer.minimize(objective, guess);
  });
  CHECK(objective.evaluations() == 0);
}

template <class Optimizer>
void check_refuses(const Optimizer& optimizer, const ag::Guess& guess, const Parts& parts) {
  check_refuses<ag::ArgumentError>(optimizer, guess, parts);
}

const std::vector<double> guess = {-1.2, 1.0};

}  // namespace

TEST_CASE("options that cannot be used") {
  check_refuses(
      ag::GradientDescent{.learning_rate = -0.5}, guess,
      {"GradientDescent: expected a finite number above 0 for learning_rate, got -0.5. Set learning_rate to"});
  check_refuses(ag::Adam{.learning_rate = -not_a_number}, guess,
                {"Adam: expected a finite number above 0 for learning_rate, got nan"});
  check_refuses(ag::Adam{.learning_rate = [](std::size_t) { return -1.0; }}, guess,
                {"Adam: expected a finite number, at least 0 for learning_rate(0), got -1"});
  check_refuses(ag::Adam{.nsteps = 0}, guess, {"Adam: expected a whole number from 1 to 2147483647 for nsteps, got 0"});
  check_refuses(ag::GradientDescent{.nsteps = static_cast<std::size_t>(-1)}, guess,
                {"GradientDescent: expected a whole number from 1 to 2147483647 for nsteps"});
  check_refuses(ag::Adam{.beta2 = 1.0}, guess, {"Adam: expected a number from 0 to below 1 for beta2, got 1."});
  check_refuses(ag::Adam{.max_skips_in_a_row = 0}, guess,
                {"Adam: expected a whole number", "for max_skips_in_a_row, got 0"});
  check_refuses(ag::Lbfgsb{.gtol = -1.0}, guess, {"Lbfgsb: expected a finite number, at least 0 for gtol, got -1"});
  check_refuses(ag::Lbfgsb{.memory = 20000}, guess, {"Lbfgsb: expected a workspace of at most 2147483647 numbers"});
}

TEST_CASE("a guess that cannot be used") {
  check_refuses(ag::Lbfgsb{}, {1.0, 2.0, 3.0},
                {"Lbfgsb: expected a guess of 2 numbers, one for each parameter of the objective, got 3"});
  check_refuses(ag::Adam{}, {1.0, -not_a_number}, {"Adam: expected a guess of finite numbers, got nan for params[1]"});
  check_refuses(ag::Adam{}, {{"a", not_a_number}, {"b", 1.0}}, {"got nan for a. Start where"});
  check_refuses(ag::Adam{}, {{"a", 1.0}, {"a", 1.0}},
                {"Adam: expected a name of its own for each parameter, got a twice. Rename one of them."});
  check_refuses(ag::Adam{}, {{"params[1]", 1.0}, {"", 1.0}}, {"got params[1] twice"});
  check_refuses(ag::Lbfgsb{}, {{.name = "a", .guess = 1.0, .scale = 0.0}, {"b", 1.0}},
                {"Lbfgsb: expected a scale of a that is a finite number above 0, or automatic, got 0. Set it to a "
                 "typical change of a"});
  check_refuses(ag::Lbfgsb{}, {{.name = "a", .guess = 1.0, .scale = not_a_number}, {"b", 1.0}},
                {"scale of a", "got nan"});
  check_refuses(ag::Lbfgsb{}, {{.name = "a", .frozen = true}, {.name = "b", .frozen = true}},
                {"Lbfgsb: expected a parameter that is free, got 2 that are all frozen. Free at least one of them."});
}

TEST_CASE("bounds that cannot be used") {
  check_refuses(
      ag::Adam{.param_bounds = {{-4, 0}}}, guess,
      {"Adam: expected as many param_bounds as parameters, 2, or none, got 1. Give {} to parameters without"});
  check_refuses(
      ag::Lbfgsb{.param_bounds = {{}, {2.0, 1.0}}}, guess,
      {"Lbfgsb: expected bounds of params[1] with low below high, got [2, 1]. Leave out a side that is open."});
  check_refuses(ag::Lbfgsb{.param_bounds = {{}, {1.0, 1.0}}}, guess,
                {"bounds of params[1] with low below high, got [1, 1]. To keep params[1] at its guess, declare it with "
                 ".frozen = true, and no bounds."});
  check_refuses(ag::Adam{.param_bounds = {{.low = not_a_number}, {}}}, guess,
                {"bounds of params[0]", "got [nan, inf]"});
  check_refuses(ag::Adam{}, {{"a", 1.0}, {.name = "b", .guess = 5.0, .bounds = {.high = 4.0}}},
                {"Adam: expected a guess of b within its bounds [-inf, 4], got 5. Move the guess or the bounds."});
  check_refuses(ag::Lbfgsb{.param_bounds = {{0, 1}, {}}}, guess,
                {"guess of params[0] within its bounds [0, 1], got -1.2"});
  check_refuses(
      ag::Adam{.param_bounds = {{}, {1.0, 2.0}}}, guess,
      {"Adam: expected a guess of params[1] inside its bounds [1, 2], got 1, which is so close to a bound that no "
       "step would move it. Start away from the bound, or use Lbfgsb."});
  check_refuses(ag::GradientDescent{.param_bounds = {{}, {.high = 1.0}}}, guess,
                {"inside its bounds [-inf, 1], got 1"});
  check_refuses(ag::Adam{.param_bounds = {{}, {.low = 0}}}, {1.0, 1e-320},
                {"inside its bounds [0, inf], got 1e-320, which"});
  check_refuses(ag::Adam{}, {{"a", 1.0}, {.name = "b", .guess = 1e-17, .bounds = {0, 1}}},
                {"Adam: expected a guess of b inside its bounds [0, 1], got 1e-17, which is so close"});
  check_refuses(ag::GradientDescent{},
                {{"a", 1.0}, {.name = "b", .guess = std::nextafter(1e6, 0), .bounds = {.high = 1e6}}},
                {"GradientDescent: expected a guess of b inside its bounds [-inf, 1000000]"});
  check_refuses(ag::Adam{}, {{"a", 1.0}, {.name = "b", .guess = 0.5, .bounds = {-1.7e308, 1.7e308}}},
                {"Adam: expected bounds of b whose distance is a finite number, got [-1.7e+308, 1.7e+308]. Leave out"});
  check_refuses(ag::Lbfgsb{}, {{"a", 1.0}, {.name = "b", .guess = 0.5, .bounds = {-1.7e308, 1.7e308}}},
                {"Lbfgsb: expected bounds of b whose distance is a finite number"});
  check_refuses(ag::Lbfgsb{.param_bounds = {{}, {.low = 0}}},
                {{"a", 1.0}, {.name = "b", .guess = 1.0, .bounds = {0, 3}}},
                {"Lbfgsb: expected the bounds of b once, got them in its declaration and in param_bounds. Remove one"});
}

TEST_CASE("an argument that cannot be used on one rank fails on all") {
  Analytic objective(2, rosenbrock);
  const auto& comm = objective.communicator();
  const bool alone = comm.size() == 1;
  const std::vector<double> own(comm.is_root() ? 3 : 2, 0.5);
  const auto check = [&](const std::string& part, auto minimize) {
    std::string text;
    try {
      minimize();
    } catch (const ag::RankError& error) {
      CHECK_FALSE(alone);
      text = error.what();
    } catch (const std::exception& error) {
      CHECK(alone);
      text = error.what();
    }
    check_parts(text, {part});
  };
  check("expected a guess of 2 numbers", [&] { ag::Lbfgsb{}.minimize(objective, own); });
  const ag::LearningRate schedule = [&](std::size_t) -> double {
    if (comm.is_root()) throw std::runtime_error("no such schedule");
    return 0.1;
  };
  check("no such schedule", [&] { ag::Adam{.learning_rate = schedule}.minimize(objective, guess); });
  CHECK(objective.evaluations() == 0);
}

TEST_CASE("arguments that differ between ranks") {
  const ag::Communicator world = ag::Communicator::world();
  if (world.size() == 1) return;
  const double rank = world.rank();
  const auto check = [](const auto& optimizer, const ag::Guess& start, const Parts& parts) {
    check_refuses<ag::DivergenceError>(optimizer, start, parts);
  };
  check(ag::Adam{.nsteps = 10 + static_cast<std::size_t>(world.rank())}, guess,
        {"Adam: expected the same nsteps on every rank, got 10, 11"});
  check(ag::Adam{.learning_rate = [&](std::size_t) { return 0.25 + rank; }}, guess,
        {"the same learning_rate(0) on every rank, got 0.25, 1.25"});
  check(ag::Lbfgsb{}, {1.0, 0.5 * rank}, {"Lbfgsb: expected the same guess of params[1] on every rank, got 0, 0.5"});
  check(ag::Lbfgsb{.param_bounds = {{.low = -2.0 - rank}, {}}}, guess,
        {"the same low bound of params[0]", "got -2, -3"});
  check(ag::Lbfgsb{.param_bounds = {{}, {.high = 2.0 + rank}}}, guess,
        {"the same high bound of params[1]", "got 2, 3"});
  check(ag::Lbfgsb{}, {{"a", 1.0}, {.name = "b", .guess = 1.0, .scale = 1.0 + rank}},
        {"the same scale of b", "got 1, 2"});
  check(ag::Lbfgsb{}, {{"a", 1.0}, {.name = "b", .frozen = world.is_root()}}, {"the same frozen of b", "got 1, 0"});
  check(ag::Lbfgsb{}, {{"a", 1.0}, {world.is_root() ? "b" : "c", 1.0}},
        {world.is_root() ? "the same name of b on every rank, got this, another"
                         : "the same name of c on every rank, got "
                           "another, this"});
  check(ag::Adam{.randkey = 7 + world.rank()}, guess, {"the same word 1 of randkey on every rank, got 7, 8"});
  const auto key_on_root = world.is_root() ? std::optional<ag::Key>(7) : std::nullopt;
  check(ag::Adam{.randkey = key_on_root}, guess, {"the same presence of a randkey on every rank, got 1, 0"});
}

namespace {

// Rosenbrock's function, computed on each rank alone: without messages, and with an error of its own.
class Unsummed final : public ag::Objective {
 public:
  explicit Unsummed(double error) : error_(error) {}
  std::size_t num_params() const override { return 2; }
  const ag::Communicator& communicator() const override { return comm_; }
  double value(std::span<const double> params, const ag::EvaluationOptions& options) override {
    std::vector<double> gradient(2);
    return value_and_gradient(params, gradient, options);
  }
  double value_and_gradient(std::span<const double> params, std::span<double> gradient,
                            const ag::EvaluationOptions&) override {
    const double loss = rosenbrock(params, gradient);
    gradient[0] += error_;
    return loss;
  }

 private:
  ag::Communicator comm_ = ag::Communicator::world();
  double error_;
};

}  // namespace

TEST_CASE("options that become unusable between steps") {
  Analytic objective(2, rosenbrock);
  const auto check = [&](auto optimizer, auto spoil, const Parts& parts) {
    const auto usable = optimizer;
    auto state = optimizer.init(objective, guess);
    optimizer.step(state);
    spoil(optimizer);
    std::string text = "nothing was thrown";
    try {
      optimizer.step(state);
    } catch (const ag::ArgumentError& error) {
      text = error.what();
    }
    check_parts(text, parts);
    CHECK(state.step() == 1);
    usable.step(state);
    CHECK(state.step() == 2);
  };
  check(ag::Adam{}, [](ag::Adam& adam) { adam.beta1 = 3.0; },
        {"optimizer_arguments.cpp:", "Adam: expected a number from 0 to below 1 for beta1, got 3."});
  check(ag::GradientDescent{.learning_rate = 1e-4},
        [](ag::GradientDescent& descent) { descent.max_skips_in_a_row = 0; },
        {"GradientDescent: expected a whole number from 1 to 2147483647 for max_skips_in_a_row, got 0."});
  check(ag::Lbfgsb{}, [](ag::Lbfgsb& lbfgsb) { lbfgsb.ftol = not_a_number; },
        {"Lbfgsb: expected a finite number, at least 0 for ftol, got nan."});
}

TEST_CASE("ranks that part from each other during a run") {
  const ag::Communicator world = ag::Communicator::world();
  if (world.size() == 1) return;
  const auto rank = static_cast<std::size_t>(world.rank());
  Analytic objective(2, rosenbrock);
  const auto check = [&](const Parts& parts, auto run) {
    std::string text = "nothing was thrown";
    try {
      run();
    } catch (const ag::DivergenceError& error) {
      text = error.what();
    }
    check_parts(text, {"optimizer_arguments.cpp:", "the ranks do not do the same: "});
    check_parts(text, parts);
    world.synchronize();
  };
  SECTION("options of a step") {
    ag::Adam adam{.nsteps = 4};
    auto state = adam.init(objective, guess);
    adam.step(state);
    adam.nsteps = 1 + rank;
    check({"rank 0 is in Adam (", "step 1 of Adam", "these differ: options"}, [&] { adam.step(state); });
    ag::Lbfgsb lbfgsb{.maxsteps = 9};
    auto fit = lbfgsb.init(objective, guess);
    lbfgsb.step(fit);
    lbfgsb.ftol = 0.5 * static_cast<double>(rank);
    check({"step 1 of Lbfgsb", "these differ: options"}, [&] { lbfgsb.step(fit); });
  }
  SECTION("the learning rate of the last step") {
    const ag::Adam adam{.nsteps = 3, .learning_rate = [&](std::size_t step) {
                          return step == 2 ? 0.01 * static_cast<double>(1 + rank) : 0.01;
                        }};
    check({"step 3 of Adam", "these differ: parameters"}, [&] { adam.minimize(objective, guess); });
  }
  SECTION("an objective without messages") {
    Unsummed unsummed(rank == 1 ? 1e-3 : 0.0);
    check(
        {"rank 0 is in Adam::minimize", "the end of an evaluation, step 0 of Adam", "these differ: loss and gradient"},
        [&] { ag::Adam{}.minimize(unsummed, guess); });
    Unsummed not_finite(rank == 1 ? not_a_number : 0.0);
    check({"step 0 of Lbfgsb", "these differ: loss and gradient"}, [&] { ag::Lbfgsb{}.minimize(not_finite, guess); });
  }
  SECTION("runs") {
    const ag::Adam adam{};
    auto first = adam.init(objective, guess), second = adam.init(objective, guess);
    check({"step 0 of Adam", "these differ: run"}, [&] { adam.step(rank == 0 ? first : second); });
  }
  SECTION("keys") {
    const ag::Adam adam{};
    auto state = adam.init(objective, guess);
    check({"step 0 of Adam", "these differ: random key"}, [&] { adam.step(state, 7 + static_cast<int>(rank)); });
  }
}

}  // namespace test_optimizer_arguments
