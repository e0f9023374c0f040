// The loops of smf, gama and hod, which count galaxies in bins.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "batch.hpp"
#include "limits.hpp"

namespace limits {

namespace {

constexpr double sqrt_2 = std::numbers::sqrt2, ln_10 = std::numbers::ln10, inv_sqrtpi = std::numbers::inv_sqrtpi;

double square(double x) { return x * x; }

}  // namespace

double smf(Column log_mass, Params params, Gradient gradient) {
  constexpr std::size_t bins = 10;
  constexpr double target[bins] = {0.023, 0.017, 0.0116, 0.0071, 0.0037, 0.0017, 0.00063, 0.00019, 4.7e-5, 9.2e-6};
  const auto edge = [](std::size_t k) { return 9.0 + static_cast<double>(k) / bins; };
  const double scale = 1.0 / (sqrt_2 * params[1]);

  Batch count[bins] = {}, bell[bins + 1] = {}, bell_z[bins + 1] = {};
  for_each_batch(log_mass.size(), [&](std::size_t row, auto rows) {
    const Batch mean = params[0] + rows.load(&log_mass[row]);
    Batch below = {};
    for (std::size_t k = 0; k <= bins; ++k) {
      const Batch z = (edge(k) - mean) * scale;
      const Batch cdf = 1.0 + erf(z), exponential = exp(-z * z);
      if (k > 0) count[k - 1] += rows.keep(cdf - below);
      bell[k] += rows.keep(exponential);
      bell_z[k] += rows.keep(exponential * z);
      below = cdf;
    }
  });

  double loss = 0.0;
  std::ranges::fill(gradient, 0.0);
  for (std::size_t k = 0; k < bins; ++k) {
    const double volume = 2000.0 * (edge(k + 1) - edge(k));
    const double density = 0.5 * total(count[k]) / volume + 1e-10;
    const double residual = std::log10(density) - std::log10(target[k]);
    loss += square(residual) / bins;
    const double d_density = 2.0 * residual / bins / (density * ln_10) * inv_sqrtpi / volume;
    gradient[0] -= d_density * (total(bell[k + 1]) - total(bell[k])) * scale;
    gradient[1] -= d_density * (total(bell_z[k + 1]) - total(bell_z[k])) / params[1];
  }
  return loss;
}

double gama(Column log_mass, const Observation& observed, Params params, Gradient gradient) {
  constexpr std::size_t max_edges = 32;
  constexpr double log10_2 = 0.301029995663981195;
  const std::size_t num_edges = observed.edges.size();
  const double scale = 1.0 / (sqrt_2 * std::pow(10.0, params[4]));

  Batch count[max_edges] = {}, slope[max_edges][5] = {};  // of each edge, and by each parameter
  for_each_batch(log_mass.size(), [&](std::size_t row, auto rows) {
    const Batch mass = rows.load(&log_mass[row]), x = mass - params[0];
    const Batch low = exp10(-params[2] * x), high = exp10(params[3] * x);
    const Batch log_mstar = mass + log10_2 + params[1] - log10(low + high);
    const Batch part = high / (low + high);
    const Batch by_m1 = part * params[3] - (1.0 - part) * params[2], by_beta = x * (1.0 - part), by_gamma = x * part;
    for (std::size_t k = 0; k < num_edges; ++k) {
      const Batch z = (observed.edges[k] - log_mstar) * scale;
      count[k] += rows.keep(1.0 + erf(z));
      const Batch exponential = rows.keep(exp(-z * z));
      slope[k][0] += exponential * by_m1;
      slope[k][1] += exponential;
      slope[k][2] += exponential * by_beta;
      slope[k][3] -= exponential * by_gamma;
      slope[k][4] += exponential * z;
    }
  });

  double chi_squared = 0.0;
  std::ranges::fill(gradient, 0.0);
  for (std::size_t k = 0; k + 1 < num_edges; ++k) {
    const double phi = 0.5 * observed.value_of_one * (total(count[k + 1]) - total(count[k]));
    const double residual = (phi - observed.value[k]) / observed.error[k];
    chi_squared += square(residual);
    const double d_phi = residual / observed.error[k] * observed.value_of_one * inv_sqrtpi;
    for (std::size_t p = 0; p < 5; ++p) {
      gradient[p] -= d_phi * (total(slope[k + 1][p]) - total(slope[k][p])) * (p == 4 ? ln_10 : scale);
    }
  }
  const double prior = (params[4] - std::log10(0.15)) / 0.1;
  gradient[4] += prior / 0.1;
  return 0.5 * chi_squared + 0.5 * square(prior);
}

double hod(Column log_mass, Column weight, Params params, Gradient gradient) {
  constexpr std::size_t bins = 3;
  constexpr double edges[bins + 1] = {11.0, 12.0, 13.0, 15.0};
  const double cut = std::pow(10.0, params[2]), per_m1 = 1.0 / std::pow(10.0, params[3]);

  enum { central, bell, bell_z, satellite, bell_power, bell_z_power, by_exponent, by_excess, terms };
  Batch sums[bins][terms] = {};
  for_each_batch(log_mass.size(), [&](std::size_t row, auto rows) {
    const Batch log_m = rows.load(&log_mass[row]), w = rows.keep(rows.load(&weight[row]));
    const Batch z = (log_m - params[0]) / params[1];
    const Batch number = 0.5 * w * (1.0 + erf(z)), exponential = w * exp(-z * z);
    const Batch over = (exp10(log_m) - cut) * per_m1;
    const Batch excess = over > 0.0 ? over : Batch{} + 1.0;
    const Batch power = over > 0.0 ? pow(excess, params[4]) : Batch{};  // exp(y * log(x)) would be less accurate

    Batch term[terms];
    term[central] = number;
    term[bell] = exponential;
    term[bell_z] = exponential * z;
    term[satellite] = number * power;
    term[bell_power] = term[bell] * power;
    term[bell_z_power] = term[bell_z] * power;
    term[by_exponent] = term[satellite] * log(excess);
    term[by_excess] = term[satellite] / excess;
    for (std::size_t bin = 0; bin < bins; ++bin) {
      const auto inside = (log_m >= edges[bin]) & (log_m < edges[bin + 1]);
      for (std::size_t k = 0; k < terms; ++k) sums[bin][k] = inside ? sums[bin][k] + term[k] : sums[bin][k];
    }
  });

  double loss = 0.0;
  std::ranges::fill(gradient, 0.0);
  const auto add = [&](double count) {  // returns the derivative by the count
    loss += square(count - 20.0) / (20.0 + count);
    return (count - 20.0) * (count + 60.0) / square(20.0 + count);
  };
  for (const auto& bin : sums) {
    const double d_central = add(total(bin[central])), d_satellite = add(total(bin[satellite]));
    const double per_width = inv_sqrtpi / params[1];
    gradient[0] -= per_width * (d_central * total(bin[bell]) + d_satellite * total(bin[bell_power]));
    gradient[1] -= per_width * (d_central * total(bin[bell_z]) + d_satellite * total(bin[bell_z_power]));
    gradient[2] -= d_satellite * params[4] * ln_10 * cut * per_m1 * total(bin[by_excess]);
    gradient[3] -= d_satellite * params[4] * ln_10 * total(bin[satellite]);
    gradient[4] += d_satellite * total(bin[by_exponent]);
  }
  return loss;
}

}  // namespace limits
