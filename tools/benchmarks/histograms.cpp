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
  for_each_tile(log_mass.size(), [&](std::size_t row, std::size_t batches, auto rows) {
    Batch z[tile], erf_z[tile], exponential[tile], below[tile] = {};
    for (std::size_t k = 0; k <= bins; ++k) {
      for (std::size_t i = 0; i < batches; ++i) {
        z[i] = (edge(k) - (params[0] + rows.load(&log_mass[row + i * lanes]))) * scale;
      }
      for (std::size_t i = 0; i < batches; ++i) erf_z[i] = erf(z[i]);
      for (std::size_t i = 0; i < batches; ++i) exponential[i] = exp(-z[i] * z[i]);
      Batch counted = {};
      for (std::size_t i = 0; i < batches; ++i) {
        const Batch cdf = 1.0 + erf_z[i];
        if (k > 0) counted += rows.keep(cdf - below[i]);
        bell[k] += rows.keep(exponential[i]);
        bell_z[k] += rows.keep(exponential[i] * z[i]);
        below[i] = cdf;
      }
      if (k > 0) count[k - 1] += counted;
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
  for_each_tile(log_mass.size(), [&](std::size_t row, std::size_t batches, auto rows) {
    Batch log_mstar[tile], by_m1[tile], by_beta[tile], by_gamma[tile];
    for (std::size_t i = 0; i < batches; ++i) {
      const Batch mass = rows.load(&log_mass[row + i * lanes]), x = mass - params[0];
      const Batch low = exp10(-params[2] * x), high = exp10(params[3] * x), part = high / (low + high);
      log_mstar[i] = mass + log10_2 + params[1] - log10(low + high);
      by_m1[i] = part * params[3] - (1.0 - part) * params[2];
      by_beta[i] = x * (1.0 - part);
      by_gamma[i] = x * part;
    }
    Batch z[tile], erf_z[tile], exponential[tile];
    for (std::size_t k = 0; k < num_edges; ++k) {
      for (std::size_t i = 0; i < batches; ++i) z[i] = (observed.edges[k] - log_mstar[i]) * scale;
      for (std::size_t i = 0; i < batches; ++i) erf_z[i] = erf(z[i]);
      for (std::size_t i = 0; i < batches; ++i) exponential[i] = exp(-z[i] * z[i]);
      for (std::size_t i = 0; i < batches; ++i) {
        const Batch bell = rows.keep(exponential[i]);
        count[k] += rows.keep(1.0 + erf_z[i]);
        slope[k][0] += bell * by_m1[i];
        slope[k][1] += bell;
        slope[k][2] += bell * by_beta[i];
        slope[k][3] -= bell * by_gamma[i];
        slope[k][4] += bell * z[i];
      }
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
  const double per_width = 1.0 / params[1];

  enum { central, bell, bell_z, satellite, bell_power, bell_z_power, by_exponent, by_excess, terms };
  Batch sums[bins][terms] = {};
  for_each_tile(log_mass.size(), [&](std::size_t row, std::size_t batches, auto rows) {
    Batch log_m[tile], term[tile][terms];
    for (std::size_t i = 0; i < batches; ++i) {
      log_m[i] = rows.load(&log_mass[row + i * lanes]);
      const Batch w = rows.keep(rows.load(&weight[row + i * lanes])), z = (log_m[i] - params[0]) * per_width;
      const Batch over = (exp10(log_m[i]) - cut) * per_m1;
      const Batch excess = over > 0.0 ? over : Batch{} + 1.0;
      const Batch power = over > 0.0 ? pow(excess, params[4]) : Batch{};  // exp(y * log(x)) would be less accurate
      term[i][central] = 0.5 * w * (1.0 + erf(z));
      term[i][bell] = w * exp(-z * z);
      term[i][bell_z] = term[i][bell] * z;
      term[i][satellite] = term[i][central] * power;
      term[i][bell_power] = term[i][bell] * power;
      term[i][bell_z_power] = term[i][bell_z] * power;
      term[i][by_exponent] = term[i][satellite] * log(excess);
      term[i][by_excess] = term[i][satellite] / excess;
    }
    for (std::size_t bin = 0; bin < bins; ++bin) {
      for (std::size_t i = 0; i < batches; ++i) {
        const auto inside = (log_m[i] >= edges[bin]) & (log_m[i] < edges[bin + 1]);
        for (std::size_t k = 0; k < terms; ++k) sums[bin][k] = inside ? sums[bin][k] + term[i][k] : sums[bin][k];
      }
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
    gradient[0] -= inv_sqrtpi * per_width * (d_central * total(bin[bell]) + d_satellite * total(bin[bell_power]));
    gradient[1] -= inv_sqrtpi * per_width * (d_central * total(bin[bell_z]) + d_satellite * total(bin[bell_z_power]));
    gradient[2] -= d_satellite * params[4] * ln_10 * cut * per_m1 * total(bin[by_excess]);
    gradient[3] -= d_satellite * params[4] * ln_10 * total(bin[satellite]);
    gradient[4] += d_satellite * total(bin[by_exponent]);
  }
  return loss;
}

}  // namespace limits
