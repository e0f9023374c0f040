// Parameters with names, bounds and scales, and one that is frozen: how Adam and L-BFGS-B end at a bound.
//
// The survey took a tenth as many stars for galaxies as it has galaxies. A fit that may take any value calls that a
// completeness of 110 %; within its bounds, the completeness is at most 100 %.

#include <cmath>

#include "example.hpp"

namespace ag = allgrad;

namespace {

/// The stellar mass function of a survey. params = (log_f, sigma, completeness, calibration): the mean of log10(stellar
/// mass / halo mass), its scatter in dex, the share of galaxies that are seen, and the error of the mass scale in dex.
class SurveyModel final : public ag::OnePointModel {
 public:
  SurveyModel(const ag::Table& halos, const ag::Array& truth)
      : OnePointModel(halos.communicator()),
        halos_(halos),
        observed_(ag::evaluate(stellar_mass_function(ag::constant(truth)), halos.communicator())) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    return stellar_mass_function(params);
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& smf) const override {
    return mean(square(log10(smf.value) - log10(observed_)));
  }

 private:
  ag::Expr stellar_mass_function(const ag::Expr& params) const {
    const auto log_mstar = halos_["log_mass"] + params[0] + params[3];
    const auto cdf = 0.5 * (1.0 + erf((edges_ - expand_dims(log_mstar, 1)) / (std::sqrt(2.0) * params[1])));
    return params[2] * sum(diff(cdf), 0) / (10.0 * static_cast<double>(halos_.total_rows()) * xt::diff(edges_));
  }

  ag::Table halos_;
  xt::xarray<double> edges_ = xt::linspace(7.8, 9.6, 10);
  ag::Array observed_;
};

const ag::Params params = {
    {.name = "log_f", .guess = -1.8, .scale = 0.1},
    {.name = "sigma", .guess = 0.3, .bounds = {.low = 0.0}, .scale = 0.1},  // a width
    {.name = "completeness", .guess = 0.8, .bounds = {0.0, 1.0}},           // a share
    {.name = "calibration", .guess = 0.0, .frozen = true},  // does what log_f does: only one can be free
};

void fit(const ag::Communicator& world, const example::Options& options) {
  SurveyModel model(example::make_halos(options.rows, world), {-2.0, 0.2, 1.1, 0.0});

  const auto adam = model.run_adam(params, {.nsteps = 300, .learning_rate = 0.3, .progress = false});
  const auto bfgs = model.run_bfgs(params, {.ftol = 1e-14, .gtol = 1e-8, .progress = false});
  ag::Params unbounded = params;
  for (ag::Param& param : unbounded) param.bounds = {};
  const auto anywhere = model.run_bfgs(unbounded, {.ftol = 1e-14, .gtol = 1e-8, .progress = false});
  if (!world.is_root()) return;

  example::CsvFile csv(options.output + "/bounds.csv", "param,low,high,guess,adam,lbfgsb,lbfgsb_without_bounds");
  fmt::print("{:<13} {:>12} {:>10} {:>10} {:>10} {:>16}\n", "", "bounds", "guess", "Adam", "L-BFGS-B",
             "without bounds");
  for (std::size_t i = 0; i < params.size(); ++i) {
    const auto& [name, guess, bounds, scale, frozen, unit] = params[i];
    const double found = adam.best.params(i);
    const auto text = frozen ? "frozen" : fmt::format("[{}, {}]", bounds.low, bounds.high);
    fmt::print("{:<13} {:>12} {:>10.4f} {:>10.4f} {:>10.4f} {:>16.4f}\n", name, text, guess, found, bfgs.x(i),
               anywhere.x(i));
    csv.row(name, bounds.low, bounds.high, guess, found, bfgs.x(i), anywhere.x(i));
  }
  fmt::print("{:<37} {:>10.2e} {:>10.2e} {:>16.2e}\n", "loss", adam.best.loss, bfgs.fun, anywhere.fun);
  fmt::print("{:<37} {:>10} {:>10} {:>16}\n", "evaluations", adam.loss.size(), bfgs.nfev, anywhere.nfev);
  csv.row("loss", "", "", "", adam.best.loss, bfgs.fun, anywhere.fun);
}

}  // namespace

int main(int argc, char** argv) {
  return example::run(argc, argv, "Fits parameters within bounds, by Adam and by L-BFGS-B.", {.rows = 10000}, fit);
}
