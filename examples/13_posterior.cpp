// How sure, where the loss is no parabola: samples of the posterior of 01_gama_smf by Hamiltonian Monte Carlo, in
// parameters that are whitened by the covariances of the fit, beside standard and asymmetric errors.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <random>

#include "example.hpp"
#include "gama_model.hpp"

namespace ag = allgrad;

namespace {

/// The step size at which proposals are accepted as often as they should: dual averaging, Hoffman and Gelman 2014 (JMLR
/// 15, 1593), section 3.2, with their constants.
class StepSize {
 public:
  explicit StepSize(double start) : log_(std::log(start)), center_(std::log(10.0 * start)) {}

  void learn(double acceptance) {
    constexpr double wanted = 0.8, gamma = 0.05, kappa = 0.75, delay = 10.0;
    const double m = ++count_;
    error_ += (wanted - acceptance - error_) / (m + delay);
    log_ = center_ - std::sqrt(m) / gamma * error_;
    const double weight = std::pow(m, -kappa);
    mean_ = weight * log_ + (1.0 - weight) * mean_;
  }

  double now() const { return std::exp(log_); }
  double learned() const { return std::exp(mean_); }

 private:
  double log_, center_, mean_ = 0.0, error_ = 0.0, count_ = 0.0;
};

/// A walk through whitened parameters. All ranks draw the same random numbers, and so take the same way.
class Walk {
 public:
  explicit Walk(ag::LogDensity& density) : density_(density), at_(density.size()), gradient_(density.size()) {
    log_density_ = density_(at_, gradient_);
  }

  const std::vector<double>& at() const { return at_; }

  /// Goes about a quarter of an orbit by leapfrogs of a step size, and stays where it was if that is rejected. Returns
  /// the probability that it is accepted with.
  double go(double step_size) {
    std::vector<double> momentum(at_.size()), position = at_, gradient = gradient_;
    for (double& p : momentum) p = normal_(random_);
    const auto energy = [&](double log_density) {
      double kinetic = 0.0;
      for (const double p : momentum) kinetic += 0.5 * p * p;
      return kinetic - log_density;
    };
    const double before = energy(log_density_), length = std::numbers::pi / 2.0 * (0.5 + uniform_(random_));
    double log_density = log_density_;
    const auto kick = [&] {
      for (std::size_t i = 0; i < momentum.size(); ++i) momentum[i] += 0.5 * step_size * gradient[i];
    };
    for (double way = 0.0; way < length && std::isfinite(log_density); way += step_size) {
      kick();
      for (std::size_t i = 0; i < position.size(); ++i) position[i] += step_size * momentum[i];
      log_density = density_(position, gradient);
      kick();
    }
    const double acceptance = std::isfinite(log_density) ? std::min(1.0, std::exp(before - energy(log_density))) : 0.0;
    if (uniform_(random_) >= acceptance) return acceptance;
    at_ = std::move(position);
    gradient_ = std::move(gradient);
    log_density_ = log_density;
    return acceptance;
  }

 private:
  ag::LogDensity& density_;
  std::mt19937_64 random_{1};
  std::normal_distribution<double> normal_;
  std::uniform_real_distribution<double> uniform_;
  std::vector<double> at_, gradient_;
  double log_density_;
};

struct Chain {
  xt::xtensor<double, 2> params;  ///< [samples, ndim]
  double step_size, acceptance;
};

Chain sample(ag::LogDensity& density, std::size_t num_samples, std::size_t num_warmup) {
  Walk walk(density);
  StepSize step_size(0.5);
  for (std::size_t i = 0; i < num_warmup; ++i) step_size.learn(walk.go(step_size.now()));
  const std::size_t ndim = density.params(walk.at()).size();
  Chain chain{xt::xtensor<double, 2>::from_shape({num_samples, ndim}), step_size.learned(), 0.0};
  for (std::size_t i = 0; i < num_samples; ++i) {
    chain.acceptance += walk.go(chain.step_size) / static_cast<double>(num_samples);
    xt::row(chain.params, static_cast<std::ptrdiff_t>(i)) = density.params(walk.at());
  }
  return chain;
}

/// [ndim, ndim], of samples [samples, ndim].
xt::xtensor<double, 2> calc_covariance(const xt::xtensor<double, 2>& params) {
  const xt::xtensor<double, 2> away = params - xt::mean(params, 0);
  const std::size_t ndim = params.shape(1);
  auto covariance = xt::xtensor<double, 2>::from_shape({ndim, ndim});
  for (std::size_t i = 0; i < ndim; ++i) {
    for (std::size_t k = 0; k < ndim; ++k)
      covariance(i, k) = xt::mean(xt::view(away, xt::all(), i) * xt::view(away, xt::all(), k))();
  }
  return covariance;
}

/// The value that a part of the samples of a parameter is below.
double quantile(const xt::xtensor<double, 2>& params, std::size_t i, double part) {
  std::vector<double> values(params.shape(0));
  std::ranges::copy(xt::col(params, static_cast<std::ptrdiff_t>(i)), values.begin());
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size()));
  std::ranges::nth_element(values, nth);
  return *nth;
}

void write(const Chain& chain, const ag::Covariance& covariance, const xt::xtensor<double, 2>& sampled,
           const std::string& folder) {
  example::CsvFile csv(folder + "/posterior.csv", fmt::format("{}", fmt::join(example::names, ",")));
  for (std::size_t i = 0; i < chain.params.shape(0); ++i) {
    csv.row(chain.params(i, 0), chain.params(i, 1), chain.params(i, 2), chain.params(i, 3), chain.params(i, 4));
  }
  const auto list = [](const auto& array) { return std::vector<double>(array.begin(), array.end()); };
  std::ofstream json(folder + "/posterior.json");
  json << nlohmann::json{{"covariance", list(covariance.matrix)},
                         {"sampled", list(sampled)},
                         {"step_size", chain.step_size},
                         {"acceptance", chain.acceptance}}
              .dump(1)
       << "\n";
  json.close();
  if (!json) throw std::runtime_error("posterior.json cannot be written to " + folder);
}

/// The profile of gamma with the parabola of its standard error, both as they rise above the minimum, and the ellipse
/// of beta and gamma.
void write_errors(const ag::Profile& profile, const ag::OptimizeResult& fit, const ag::Covariance& covariance,
                  const std::string& folder) {
  example::CsvFile curve(folder + "/profile.csv", "gamma,profile,parabola");
  for (std::size_t i = 0; i < profile.values.size(); ++i) {
    const double away = (profile.values(i) - fit["gamma"]) / covariance.error("gamma");
    curve.row(profile.values(i), profile.losses(i) - fit.fun, 0.5 * away * away);
  }
  const auto ellipse = covariance.error_ellipse("beta", "gamma").points();
  example::CsvFile csv(folder + "/ellipse.csv", "beta,gamma");
  for (std::size_t i = 0; i < ellipse.shape(0); ++i) csv.row(ellipse(i, 0), ellipse(i, 1));
}

struct Options {
  std::string halos, data = "examples/data", output = ".";
  std::size_t num_samples = 1000;
  double errors = 1.0;
};

void run(const ag::Communicator& world, const Options& options) {
  const auto halos = ag::Table::read(options.halos, world);
  example::Observation observed(options.data + "/gama_smf.csv");
  observed.error *= options.errors;
  example::GamaModel model(halos, ag::read_attribute(options.halos, "number_density"), observed);
  ag::Params params;
  for (std::size_t i = 0; i < example::names.size(); ++i) {
    params.push_back({.name = example::names[i], .guess = example::published[i]});
  }
  const auto fit = model.run_trust_region(params, {.progress = false});
  const auto covariance = model.calc_covariance(fit.x, {.errordef = 0.5, .params = params});
  ag::LogDensity density = ag::log_density(model, covariance);
  const Chain chain = sample(density, options.num_samples, 200);
  const auto sampled = calc_covariance(chain.params);
  std::vector<ag::AsymmetricError> asymmetric;
  for (const char* name : example::names) asymmetric.push_back(ag::asymmetric_error(model, fit, name, 0.5));
  const double gamma = fit["gamma"], error = covariance.error("gamma");
  const xt::xarray<double> values = xt::linspace(gamma - 2.0 * error, gamma + 3.0 * error, 26);
  const auto profile = ag::profile(model, fit, "gamma", values);
  if (!world.is_root()) return;
  fmt::print("{} samples, step size {:.3f}, {:.0f}% accepted\n\n", options.num_samples, chain.step_size,
             100.0 * chain.acceptance);
  fmt::print("{:<10} {:>9} {:>9} {:>9} {:>8} {:>9} {:>9} {:>8}\n", "parameter", "fit", "+-", "-", "+", "median", "-",
             "+");
  for (std::size_t i = 0; i < example::names.size(); ++i) {
    const double median = quantile(chain.params, i, 0.5);
    fmt::print("{:<10} {:>9.4f} {:>9.4f} {:>9.4f} {:>8.4f} {:>9.4f} {:>9.4f} {:>8.4f}\n", example::names[i], fit.x(i),
               covariance.errors()(i), asymmetric[i].lower, asymmetric[i].upper, median,
               quantile(chain.params, i, 0.1587) - median, quantile(chain.params, i, 0.8413) - median);
  }
  write(chain, covariance, sampled, options.output);
  write_errors(profile, fit, covariance, options.output);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Samples the posterior of the stellar-to-halo mass relation by Hamiltonian Monte Carlo.");
  Options options;
  app.add_option("halos", options.halos, "HDF5 file with the column log_mass, from make_halos")->required();
  app.add_option("--data", options.data, "folder with gama_smf.csv");
  app.add_option("--output", options.output, "folder for posterior.csv, posterior.json, profile.csv, ellipse.csv");
  app.add_option("--samples", options.num_samples, "number of samples")
      ->check(CLI::Range(2, 1'000'000))
      ->capture_default_str();
  app.add_option("--errors", options.errors, "errors of the observation, in units of those that were observed")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return ag::run(argc, argv, [&](const ag::Communicator& world) { run(world, options); });
}
