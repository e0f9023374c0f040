// A stochastic model: the scatter of each halo is drawn, from a random key that is an input like the parameters. The
// gradient passes through the draws. Adam takes another key at each step, or the same at all of them.

#include "example.hpp"

namespace ag = allgrad;

namespace {

/// Counts of galaxies, one in each halo, in bins of log10 stellar mass. params = (log_f, log_sigma): the mean of
/// log10(stellar mass / halo mass), and the log10 of the scatter about it in dex.
class ScatterModel final : public ag::OnePointModel {
 public:
  /// What was observed is what the model gives at `truth` in the mean of many draws.
  ScatterModel(const ag::Table& halos, const ag::Array& truth) : OnePointModel(halos.communicator()), halos_(halos) {
    constexpr int num_draws = 100;
    for (const ag::Key& key : ag::random::split(ag::Key(2024), num_draws)) {
      observed_ += ag::evaluate(counts(ag::constant(truth), key), communicator()) / num_draws;
    }
  }

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    return counts(params, randkey());
  }

  // chi^2 per bin
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& stats) const override {
    return mean(square(stats.value - observed_) / observed_);
  }

 private:
  ag::Expr counts(const ag::Expr& params, const ag::random::KeyOperand& key) const {
    const auto scatter = pow(10.0, params[1]) * ag::random::normal(key, {halos_.rows()});  // [rows], never stored
    const auto log_mstar = halos_["log_mass"] + params[0] + scatter;                       // [rows]
    // Edges are soft: a galaxy near one counts in part on either side. Counts that jump have no gradient.
    const auto below = sigmoid((edges_ - expand_dims(log_mstar, 1)) / softness_);  // [rows, 11]
    return sum(diff(below), 0);                                                    // [10]
  }

  ag::Table halos_;
  double softness_ = 0.03;  // dex
  xt::xarray<double> edges_ = xt::linspace(8.0, 9.5, 11);
  ag::Array observed_ = xt::zeros<double>({10});
};

const ag::Array truth = {-2.0, -0.7};

/// The mean of a parameter over the last steps, where the path has settled.
double mean_of_last(const ag::Trajectory& path, std::size_t param) {
  constexpr std::size_t num_last = 100;
  double sum = 0.0;
  for (std::size_t i = path.params.shape(0) - num_last; i < path.params.shape(0); ++i) sum += path.params(i, param);
  return sum / num_last;
}

void fit(const ag::Communicator& world, const example::Options& options) {
  ScatterModel model(example::make_halos(options.rows, world), truth);

  ag::Adam adam{.nsteps = 300, .learning_rate = 0.02, .randkey = 1, .progress = false};
  const auto new_keys = model.run_adam({-1.8, -0.5}, adam);
  adam.const_randkey = true;
  const auto one_key = model.run_adam({-1.8, -0.5}, adam);
  if (!world.is_root()) return;

  fmt::print("{:<12} {:>10} {:>10}   mean of the last 100 steps\n", "", "log_f", "log_sigma");
  fmt::print("{:<12} {:>10.4f} {:>10.4f}\n", "truth", truth(0), truth(1));
  for (const auto& [name, path] : {std::pair("new keys", &new_keys), std::pair("one key", &one_key)}) {
    fmt::print("{:<12} {:>10.4f} {:>10.4f}\n", name, mean_of_last(*path, 0), mean_of_last(*path, 1));
  }

  example::CsvFile csv(options.output + "/stochastic.csv",
                       "step,new_keys_log_f,new_keys_log_sigma,one_key_log_f,one_key_log_sigma");
  for (std::size_t i = 0; i < new_keys.params.shape(0); ++i) {
    csv.row(i, new_keys.params(i, 0), new_keys.params(i, 1), one_key.params(i, 0), one_key.params(i, 1));
  }
}

}  // namespace

int main(int argc, char** argv) {
  return example::run(argc, argv, "Fits a model that draws random numbers, by Adam.", {.rows = 1000}, fit);
}
