// Runs that end early: by the callback, by what it throws, by a signal, on one rank or on all.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "allgrad/adam.hpp"
#include "allgrad/error.hpp"
#include "allgrad/gradient_descent.hpp"
#include "allgrad/lbfgsb.hpp"
#include "base/interrupt.hpp"
#include "check_error.hpp"
#include "optimizer_objectives.hpp"
#include "said.hpp"
#include "world.hpp"

namespace test_optimizer_stops {

namespace ag = allgrad;
using namespace allgrad::testing;
using allgrad::testing::check_parts;
using allgrad::testing::Said;

namespace {

// A run that does something on the culprit at step `when`, by each of the optimizers.
template <class Action, class Check>
void for_each_optimizer(std::size_t when, Action on_culprit, Check check) {
  Analytic objective(2, rosenbrock);
  const ag::Callback callback = [&](const ag::Iterate& iterate) {
    return iterate.step == when && is_culprit() ? on_culprit() : ag::Control::proceed;
  };
  const auto check_path = [&](const ag::Trajectory& path) {
    CHECK(path.loss.size() == when + 1);
    CHECK(path.params.shape(0) == when + 2);
    CHECK(path.best.loss <= path.loss(0));
    CHECK(path.best.step <= when);
    check(path);
  };
  check_path(ag::Adam{.nsteps = 9, .callback = callback}.minimize(objective, {-1.2, 1.0}));
  check_path(
      ag::GradientDescent{.nsteps = 9, .learning_rate = 1e-4, .callback = callback}.minimize(objective, {-1.2, 1.0}));
  const auto fit = ag::Lbfgsb{.maxsteps = 9, .callback = callback}.minimize(objective, {-1.2, 1.0});
  CHECK(fit.nit == when);
  CHECK(fit.best.loss == fit.fun);
  check(fit);
  CHECK(ag::Lbfgsb{}.minimize(objective, {-1.2, 1.0}).success);
}

struct Disposition {
  explicit Disposition(int signal) { sigaction(signal, nullptr, &action); }
  bool is(void (*handler)(int)) const { return action.sa_handler == handler; }
  struct sigaction action {};
};

int last_signal = 0;
extern "C" void take_signal(int signal) { last_signal = signal; }

}  // namespace

TEST_CASE("a callback on one rank stops the run on all") {
  Said said;
  const std::size_t when = GENERATE(0U, 1U, 4U);
  for_each_optimizer(
      when, [] { return ag::Control::stop; },
      [](const auto& result) {
        CHECK_FALSE(result.success);
        CHECK(result.message == fmt::format("stopped by the callback on rank {}", culprit()));
        CHECK(result.end_reason == ag::EndReason::stopped);
        CHECK(result.callback_error == nullptr);
      });
  CHECK(said.warnings.empty());
}

TEST_CASE("what a callback throws on one rank ends the run on all, and is kept") {
  Said said;
  const std::size_t when = GENERATE(0U, 1U, 8U);  // 8: after the last step of Adam nothing is evaluated
  for_each_optimizer(
      when, []() -> ag::Control { throw std::out_of_range("disk is full"); },
      [](const auto& result) {
        CHECK_FALSE(result.success);
        CHECK(result.message == fmt::format("the callback threw on rank {}: disk is full", culprit()));
        CHECK(result.end_reason == ag::EndReason::callback_threw);
        CHECK((result.callback_error != nullptr) == is_culprit());
        if (result.callback_error) CHECK_THROWS_AS(std::rethrow_exception(result.callback_error), std::out_of_range);
      });
  REQUIRE(said.warnings.size() == (world().is_root() ? 3 : 0));
  if (!said.warnings.empty()) {
    check_parts(said.warnings[0], {fmt::format("Adam ended at step {}: the callback threw on rank", when + 1)});
    check_parts(said.warnings[2], {"Lbfgsb ended at step ", "disk is full. Its result holds the best point so far."});
  }
}

TEST_CASE("a signal on one rank ends the run on all") {
  Said said;
  const int signal = GENERATE(SIGINT, SIGTERM);
  const std::size_t when = GENERATE(0U, 8U);
  const Disposition former(signal);
  for_each_optimizer(
      when,
      [&] {
        CHECK_FALSE(Disposition(signal).is(SIG_DFL));
        CHECK_FALSE(Disposition(signal).is(former.action.sa_handler));
        std::raise(signal);
        CHECK(Disposition(signal).is(SIG_DFL));  // the second one ends the process
        return ag::Control::proceed;
      },
      [&](const auto& result) {
        CHECK_FALSE(result.success);
        CHECK(result.message ==
              fmt::format("interrupted by {} on rank {}", signal == SIGINT ? "SIGINT" : "SIGTERM", culprit()));
        CHECK(result.end_reason == ag::EndReason::interrupted);
        CHECK(Disposition(signal).is(former.action.sa_handler));
      });
  CHECK(said.warnings.size() == (world().is_root() ? 3 : 0));
}

TEST_CASE("former handlers are back after a run, also one that throws") {
  const auto former = std::signal(SIGINT, take_signal);
  Analytic objective(2, rosenbrock);
  ag::Adam{.nsteps = 2}.minimize(objective, {-1.2, 1.0});
  CHECK(Disposition(SIGINT).is(take_signal));
  CHECK_THROWS_AS(ag::Adam{.nsteps = 0}.minimize(objective, {-1.2, 1.0}), ag::ArgumentError);
  CHECK(Disposition(SIGINT).is(take_signal));
  {
    const ag::InterruptGuard outer;
    {
      const ag::InterruptGuard inner;
      std::raise(SIGINT);
    }
    CHECK(last_signal == 0);
    CHECK_FALSE(Disposition(SIGINT).is(take_signal));
  }
  CHECK(last_signal == SIGINT);  // nobody has asked for it
  last_signal = 0;
  {
    const ag::InterruptGuard guard;
    std::raise(SIGINT);
    CHECK(ag::InterruptGuard::signal() == "SIGINT");
    CHECK(ag::InterruptGuard::signal() == "SIGINT");
  }
  CHECK(last_signal == 0);
  CHECK(ag::InterruptGuard::signal().empty());
  std::signal(SIGINT, SIG_IGN);
  {
    const ag::InterruptGuard guard;
    std::raise(SIGINT);
    CHECK(ag::InterruptGuard::signal().empty());
  }
  std::signal(SIGINT, former);
}

TEST_CASE("a signal to all ranks that comes on one when it cannot say so any more is answered by the same end") {
  if (world().size() == 1) return;
  Said said;
  const auto former = std::signal(SIGINT, take_signal);
  const auto root = static_cast<pid_t>(world().allgather(static_cast<std::uint64_t>(getpid()))[0]);
  Analytic objective(2, rosenbrock);
  std::thread late;
  const ag::Adam adam{.callback = [&](const ag::Iterate& at) {
    if (at.step != 1) return;
    if (is_culprit()) {
      late = std::thread([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));  // then it waits for rank 0 in the next step
        std::raise(SIGINT);
        kill(root, SIGINT);
      });
    }
    while (world().is_root() && ag::InterruptGuard::signal().empty()) std::this_thread::yield();
  }};
  CHECK(adam.minimize(objective, {-1.2, 1.0}).message == "interrupted by SIGINT on rank 0");
  if (late.joinable()) late.join();
  CHECK(last_signal == 0);
  std::signal(SIGINT, former);
}

TEST_CASE("a signal ends nested runs") {
  Said said;
  Analytic outer(2, rosenbrock);
  Analytic inner(2, rosenbrock);
  std::vector<std::string> messages;
  const ag::Adam nested{.nsteps = 5, .callback = [&](const ag::Iterate& at) {
                          const ag::Adam adam{.nsteps = 3, .callback = [&](const ag::Iterate& inner_at) {
                                                if (at.step == 1 && inner_at.step == 1 && is_culprit())
                                                  std::raise(SIGINT);
                                              }};
                          messages.push_back(adam.minimize(inner, {0.5, 0.5}).message);
                        }};
  const std::string interrupted = fmt::format("interrupted by SIGINT on rank {}", culprit());
  CHECK(nested.minimize(outer, {-1.2, 1.0}).message == interrupted);
  CHECK(messages == std::vector<std::string>{"all 3 steps were taken", interrupted});
}

TEST_CASE("of several reasons to stop, what was thrown goes before a signal, and this before a wish") {
  Said said;
  Analytic objective(2, rosenbrock);
  const auto run = [&](bool with_exception) {
    return ag::Adam{.callback =
                        [&](const ag::Iterate&) {
                          if (is_culprit()) std::raise(SIGINT);
                          if (with_exception && is_culprit()) throw 42;
                          return ag::Control::stop;
                        }}
        .minimize(objective, {-1.2, 1.0})
        .message;
  };
  check_parts(run(true),
              {fmt::format("the callback threw on rank {}: an exception that is no std::exception", culprit())});
  CHECK(run(false) == fmt::format("interrupted by SIGINT on rank {}", culprit()));
}

TEST_CASE("a wish to stop after the last step is moot") {
  Analytic objective(2, rosenbrock);
  const ag::Callback stop_late = [](const ag::Iterate& at) {
    return at.step == 4 ? ag::Control::stop : ag::Control::proceed;
  };
  const auto path = ag::Adam{.nsteps = 5, .callback = stop_late}.minimize(objective, {-1.2, 1.0});
  CHECK(path.success);
  CHECK(path.message == "all 5 steps were taken");
}

TEST_CASE("a failure on any rank goes before a wish to stop") {
  Said said;
  Analytic objective(2, rosenbrock);
  ag::Adam adam;
  adam.callback = [](const ag::Iterate& at) { return at.step == 1 ? ag::Control::stop : ag::Control::proceed; };
  adam.learning_rate = [](std::size_t step) {
    if (step == 1 && is_culprit()) throw std::runtime_error("no memory");
    return 0.01;
  };
  std::string text;
  try {
    adam.minimize(objective, {-1.2, 1.0});
  } catch (const ag::RankError& error) {
    CHECK(error.rank() == culprit());
    text = error.what();
  } catch (const std::runtime_error& error) {
    CHECK(world().size() == 1);
    text = error.what();
  }
  check_parts(text, {"no memory"});
}

TEST_CASE("between steps by hand a wish to stop disturbs no other collective") {
  Analytic objective(2, rosenbrock);
  const ag::Adam adam{
      .callback = [](const ag::Iterate&) { return is_culprit() ? ag::Control::stop : ag::Control::proceed; }};
  auto state = adam.init(objective, {-1.2, 1.0});
  adam.step(state);
  CHECK_FALSE(state.ended());
  world().synchronize();
  adam.step(state);
  CHECK(state.ended());
  CHECK(state.step() == 1);
}

TEST_CASE("a step costs the collectives of its evaluation, and one before and one after it") {
  Analytic objective(2, rosenbrock);
  std::vector<std::size_t> collectives;
  const ag::Callback callback = [&](const ag::Iterate&) {
    collectives.push_back(objective.communicator().collectives());
  };
  ag::Adam{.nsteps = 20, .callback = callback}.minimize(objective, {-1.2, 1.0});
  REQUIRE(collectives.size() == 20);
  CHECK(collectives.back() - collectives.front() == 3 * 19);
  collectives.clear();
  const auto fit = ag::Lbfgsb{.callback = callback}.minimize(objective, {-1.2, 1.0});
  CHECK(collectives.back() - collectives.front() == 3 * (fit.nfev - 1));
}

namespace {

// Rosenbrock's function as an objective that sends no messages, and does something of its own at each evaluation.
class Silent final : public ag::Objective {
 public:
  explicit Silent(std::function<void(std::size_t evaluation)> action = {}) : action_(std::move(action)) {}
  std::size_t num_params() const override { return 2; }
  const ag::Communicator& communicator() const override { return world(); }
  double value(std::span<const double> params, const ag::EvaluationOptions& options) override {
    std::vector<double> gradient(2);
    return value_and_gradient(params, gradient, options);
  }
  double value_and_gradient(std::span<const double> params, std::span<double> gradient,
                            const ag::EvaluationOptions&) override {
    const std::size_t evaluation = evaluations_++;
    if (action_) action_(evaluation);
    return rosenbrock(params, gradient);
  }

 private:
  std::function<void(std::size_t evaluation)> action_;
  std::size_t evaluations_ = 0;
};

// Hands on what another objective returns, and gives another cause to what it throws.
class Wrapped final : public ag::Objective {
 public:
  explicit Wrapped(ag::Objective& inner) : inner_(inner) {}
  std::size_t num_params() const override { return inner_.num_params(); }
  const ag::Communicator& communicator() const override { return inner_.communicator(); }
  double value(std::span<const double> params, const ag::EvaluationOptions& options) override {
    return inner_.value(params, options);
  }
  double value_and_gradient(std::span<const double> params, std::span<double> gradient,
                            const ag::EvaluationOptions& options) override {
    try {
      return inner_.value_and_gradient(params, gradient, options);
    } catch (const std::exception& error) {
      throw std::runtime_error(fmt::format("the simulation failed: {}", error.what()));
    }
  }

 private:
  ag::Objective& inner_;
};

template <class Action>
std::string text_thrown_by(Action action) {
  try {
    action();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("an objective that sends no messages is stopped as well") {
  Silent objective;
  const ag::Adam adam{.callback = [](const ag::Iterate& at) {
    return at.step == 2 && is_culprit() ? ag::Control::stop : ag::Control::proceed;
  }};
  const auto path = adam.minimize(objective, {-1.2, 1.0});
  CHECK(path.loss.size() == 3);
  CHECK(path.message == fmt::format("stopped by the callback on rank {}", culprit()));
}

TEST_CASE("what an objective that sends no messages throws is known to all ranks, and the run may be stepped on") {
  const bool on_all = GENERATE(false, true);
  Silent objective([&](std::size_t evaluation) {
    if (evaluation == 2 && (on_all || is_culprit())) throw std::runtime_error("no disk");
  });
  const ag::Adam adam{.nsteps = 6};
  auto state = adam.init(objective, {-1.2, 1.0});
  adam.step(state);
  adam.step(state);
  const auto before = state.result();
  const std::string text = text_thrown_by([&] { adam.step(state); });
  CHECK(text ==
        (on_all || world().size() == 1 ? "no disk" : fmt::format("rank {} of {}: no disk", culprit(), world().size())));
  CHECK_FALSE(state.ended());
  CHECK((state.result().loss == before.loss));
  CHECK((state.result().params == before.params));
  CHECK(state.best().loss == before.best.loss);
  while (!state.ended()) adam.step(state);
  Silent without_failure;
  CHECK((state.result().params == adam.minimize(without_failure, {-1.2, 1.0}).params));
}

TEST_CASE("an objective that catches exceptions does not take a wish to stop for one") {
  Analytic inner(2, rosenbrock);
  Wrapped objective(inner);
  const ag::Adam adam{
      .callback = [](const ag::Iterate& at) { return at.step == 2 ? ag::Control::stop : ag::Control::proceed; }};
  const auto path = adam.minimize(objective, {-1.2, 1.0});
  CHECK(path.message == "stopped by the callback on rank 0");
  CHECK(path.loss.size() == 3);
}

TEST_CASE("by hand, a signal that comes during a step ends the run at the next") {
  Said said;
  const auto former = std::signal(SIGINT, take_signal);
  std::size_t evaluations = 0;
  Analytic objective(2, [&](auto p, auto gradient) {
    if (evaluations++ == 1 && is_culprit()) std::raise(SIGINT);
    return rosenbrock(p, gradient);
  });
  const auto check = [&](const auto& optimizer) {
    evaluations = 0;
    auto state = optimizer.init(objective, {-1.2, 1.0});
    while (!state.ended()) optimizer.step(state);
    CHECK(state.message() == fmt::format("interrupted by SIGINT on rank {}", culprit()));
    CHECK(state.step() <= 2);
    CHECK(last_signal == 0);
  };
  check(ag::Adam{});
  check(ag::GradientDescent{.learning_rate = 1e-4});
  check(ag::Lbfgsb{});
  std::signal(SIGINT, former);
}

TEST_CASE("an empty function is no callback") {
  Analytic objective(2, rosenbrock);
  CHECK_FALSE(ag::Callback(std::function<void(const ag::Iterate&)>()));
  CHECK_FALSE(ag::Callback(std::function<ag::Control(const ag::Iterate&)>()));
  CHECK_FALSE(ag::Callback(static_cast<void (*)(const ag::Iterate&)>(nullptr)));
  CHECK(ag::Callback([](const ag::Iterate&) {}));
  CHECK(ag::Adam{.nsteps = 2, .callback = std::function<void(const ag::Iterate&)>()}
            .minimize(objective, {-1.2, 1.0})
            .success);
}

TEST_CASE("a failure behind the last evaluation ends the run, and the path is kept") {
  Analytic objective(2, rosenbrock);
  const ag::Adam adam{.nsteps = 3, .learning_rate = [](std::size_t step) {
                        if (step == 2 && is_culprit()) throw std::runtime_error("no such rate");
                        return 0.01;
                      }};
  auto state = adam.init(objective, {-1.2, 1.0});
  adam.step(state);
  adam.step(state);
  check_parts(text_thrown_by([&] { adam.step(state); }), {"no such rate"});
  CHECK(state.ended());
  CHECK(state.end_reason() == ag::EndReason::failed);
  check_parts(state.message(), {"no such rate"});
  const auto path = state.result();
  CHECK_FALSE(path.success);
  CHECK(path.loss.size() == 3);
  CHECK(path.best.loss <= path.loss(0));
}

TEST_CASE("an evaluation that throws in the middle of a run of L-BFGS-B leaves its state") {
  const std::size_t when = GENERATE(0U, 3U, 7U);
  Silent objective([&](std::size_t evaluation) {
    if (evaluation == when && is_culprit()) throw std::runtime_error("no disk");
  });
  const ag::Lbfgsb lbfgsb{};
  auto state = lbfgsb.init(objective, {-1.2, 1.0});
  std::size_t thrown = 0;
  while (!state.ended()) {
    const double best = state.best().loss;
    const std::size_t step = state.step();
    const std::string text = text_thrown_by([&] { lbfgsb.step(state); });
    if (text == "nothing was thrown") continue;
    ++thrown;
    check_parts(text, {"no disk"});
    CHECK(state.step() == step);
    CHECK((std::isnan(best) || state.best().loss <= best));
    CHECK((when == 0) == std::isnan(state.result().best.loss));
  }
  CHECK(thrown == 1);
  Silent without_failure;
  const auto expected = lbfgsb.minimize(without_failure, {-1.2, 1.0});
  CHECK((state.result().x == expected.x));
  CHECK(state.result().nfev == expected.nfev);
  CHECK(state.end_reason() == expected.end_reason);
}

}  // namespace test_optimizer_stops
