// A slow minimization, for terminal.py to look at what it shows on a terminal and to press Ctrl-C.
#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "allgrad/adam.hpp"
#include "allgrad/run.hpp"
#include "base/emit.hpp"

namespace ag = allgrad;

namespace {

class Slow final : public ag::Objective {
 public:
  std::size_t num_params() const override { return 1; }
  const ag::Communicator& communicator() const override { return comm_; }
  double value(std::span<const double> params, const ag::EvaluationOptions&) override { return params[0] * params[0]; }
  double value_and_gradient(std::span<const double> params, std::span<double> gradient,
                            const ag::EvaluationOptions& options) override {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    gradient[0] = 2.0 * params[0];
    return value(params, options);
  }

 private:
  ag::Communicator comm_ = ag::Communicator::world();
};

}  // namespace

int main(int argc, char** argv) {
  return ag::run(argc, argv, [](const ag::Communicator&) {
    Slow objective;
    const ag::Adam adam{.nsteps = 100000, .callback = [](const ag::Iterate& at) {
                          if (at.step == 60) ag::emit(ag::Severity::warning, "a word between");
                        }};
    const auto path = adam.minimize(objective, {{"log_of_the_mean_stellar_mass", 3.0}});
    fmt::print("{}\n", path.message);
  });
}
