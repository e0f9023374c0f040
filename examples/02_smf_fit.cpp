// Descent, step by step: gradient descent and Adam on the stellar mass function, with a callback that reports on the
// way, and the path that each takes through the parameters.

#include "smf_model.hpp"

namespace ag = allgrad;

namespace {

const ag::Array truth = {-2.0, -0.7};
const std::vector<double> guess = {-1.6, -0.5};

void fit(const ag::Communicator& world, const example::Options& options) {
  example::SmfModel model(example::make_halos(options.rows, world), truth);

  // Called at every step on every rank. It may also return ag::Control::stop.
  const auto report = [&](const ag::Iterate& at) {
    if (!world.is_root() || at.step % 20 != 0) return;
    fmt::print("{:>6} {:>12.3e} {:>10.4f} {:>10.4f}\n", at.step, at.loss, at.params[0], at.params[1]);
  };
  const auto title = [&](const char* optimizer) {
    if (world.is_root()) fmt::print("\n{}\n  step         loss      log_f  log_sigma\n", optimizer);
  };

  constexpr std::size_t nsteps = 100;
  title("gradient descent");
  const auto descent = model.run_simple_grad_descent(
      guess, {.nsteps = nsteps, .learning_rate = 0.01, .callback = report, .progress = false});
  title("Adam");
  const auto adam =
      model.run_adam(guess, {.nsteps = nsteps, .learning_rate = 0.02, .callback = report, .progress = false});
  if (!world.is_root()) return;

  fmt::print("\n{:<16} {:>10} {:>10}\n", "", "log_f", "log_sigma");
  fmt::print("{:<16} {:>10.4f} {:>10.4f}\n", "truth", truth(0), truth(1));
  for (const auto& [name, path] : {std::pair("gradient descent", &descent), std::pair("Adam", &adam)}) {
    const auto params = path->last_params();
    fmt::print("{:<16} {:>10.4f} {:>10.4f}\n", name, params(0), params(1));
  }

  example::CsvFile csv(options.output + "/smf_fit.csv",
                       "step,descent_loss,descent_log_f,descent_log_sigma,adam_loss,adam_log_f,adam_log_sigma");
  for (std::size_t i = 0; i < nsteps; ++i) {
    csv.row(i, descent.loss(i), descent.params(i, 0), descent.params(i, 1), adam.loss(i), adam.params(i, 0),
            adam.params(i, 1));
  }
}

}  // namespace

int main(int argc, char** argv) {
  return example::run(argc, argv, "Fits the stellar mass function by gradient descent and by Adam.", {.rows = 10000},
                      fit);
}
