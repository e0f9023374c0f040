// A fit that goes on from its checkpoint, to be killed: checkpoint_program OPTIMIZER FILE. Prints all of its numbers.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <optional>
#include <string>

#include "allgrad/allgrad.hpp"

namespace ag = allgrad;

namespace {

// Rosenbrock's function in three dimensions, and for Adam a force that changes with the key.
class Valley final : public ag::OnePointModel {
 public:
  explicit Valley(bool draws) : draws_(draws) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const ag::Expr head = view(params, {ag::range(0, 2)}), tail = view(params, {ag::range(1, 3)});
    const ag::Expr valley = sum(100.0 * square(tail - square(head)) + square(1.0 - head));
    return draws_ ? valley + 0.1 * sum(params * ag::random::normal(randkey(), {3})) : valley;
  }
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& loss) const override {
    return ag::Loss(loss.value, {{"root", sqrt(abs(loss.value))}});
  }

 private:
  bool draws_;
};

void print(const char* what, const auto& values) {
  fmt::print("{}:", what);
  for (const double value : values) fmt::print(" {:a}", value);
  fmt::print("\n");
}

void print(const ag::BestPoint& best) {
  fmt::print("best: {:a} at step {}\n", best.loss, best.step);
  print("at", best.params);
}

void print(const ag::Trajectory& path) {
  print("loss", path.loss);
  print("params", path.params);
  print("root", path.aux["root"]);
  print(path.best);
}

void print(const ag::OptimizeResult& fit) {
  print("x", fit.x);
  print("jac", fit.jac);
  print("hess_inv", fit.hess_inv.dense());
  fmt::print("fun: {:a} nfev: {} nit: {} {}\n", fit.fun, fit.nfev, fit.nit, fit.message);
  print(fit.best);
}

}  // namespace

int main(int argc, char** argv) {
  return ag::run(argc, argv, [&](const ag::Communicator&) {
    const std::string optimizer = argv[1];
    const ag::Checkpoint checkpoint = {.file = argv[2], .every = 1, .resume = true};
    const ag::Callback pause = [](const ag::Iterate&) { usleep(2000); };
    const ag::Params params = {{.name = "x", .guess = -1.2, .bounds = {-2.0, 2.0}},
                               {.name = "y", .guess = 1.5, .scale = 0.5},
                               {.name = "z", .guess = -0.5, .bounds = {.low = -1.0}}};
    Valley model(optimizer == "adam");
    model.calc_dloss_dparams({0.0, 0.0, 0.0}, optimizer == "adam" ? std::optional(ag::Key(0)) : std::nullopt);
    fmt::print("started\n");
    std::fflush(stdout);
    if (optimizer == "adam") {
      const auto rate = [](std::size_t step) { return 0.1 / std::sqrt(1.0 + static_cast<double>(step)); };
      print(model.run_adam(params, {.learning_rate = rate, .randkey = 1, .callback = pause, .checkpoint = checkpoint}));
    } else if (optimizer == "gradient_descent") {
      print(
          model.run_simple_grad_descent(params, {.learning_rate = 2e-4, .callback = pause, .checkpoint = checkpoint}));
    } else {
      print(model.run_bfgs(params, {.ftol = 0.0, .callback = pause, .checkpoint = checkpoint}));
    }
  });
}
