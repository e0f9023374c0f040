// The loop of photometry and dsps: statistics and their derivatives in one sweep, with one exponential for each element
// of the table and row.

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "batch.hpp"
#include "limits.hpp"
#include "triweight.hpp"

namespace limits {

namespace {

/// A weight of each age or metallicity, and its derivatives by mean and scatter of the distribution over them.
struct Weights {
  std::vector<Batch> value, by_mean, by_scatter;
  explicit Weights(std::size_t size) : value(size), by_mean(size), by_scatter(size) {}
};

/// A softmax of a normal distribution.
void weigh_ages(Column log_age, Batch mean, double scatter, Weights& weights) {
  const double per_scatter = 1.0 / scatter;
  Batch largest = {}, sum = {}, sum_by_mean = {}, sum_by_scatter = {};
  const std::size_t n = log_age.size();
  for (std::size_t a = 0; a < n; ++a) {
    const Batch z = (log_age[a] - mean) * per_scatter;
    weights.value[a] = -0.5 * (z * z);
    largest = a == 0 ? weights.value[a] : weights.value[a] > largest ? weights.value[a] : largest;
  }
  for (std::size_t a = 0; a < n; ++a) {
    const Batch z = (log_age[a] - mean) * per_scatter, e = exp(weights.value[a] - largest);
    weights.value[a] = e;
    weights.by_mean[a] = e * z * per_scatter;
    weights.by_scatter[a] = weights.by_mean[a] * z;
    sum += e, sum_by_mean += weights.by_mean[a], sum_by_scatter += weights.by_scatter[a];
  }
  const Batch per_sum = 1.0 / sum;
  for (std::size_t a = 0; a < n; ++a) {
    const Batch w = weights.value[a] * per_sum;
    weights.by_mean[a] = (weights.by_mean[a] - w * sum_by_mean) * per_sum;
    weights.by_scatter[a] = (weights.by_scatter[a] - w * sum_by_scatter) * per_sum;
    weights.value[a] = w;
  }
}

/// What a triweight kernel has between edges.
void weigh_metallicities(Column edges, Batch mean, double scatter, Weights& weights) {
  Batch below = {}, below_by_mean = {}, below_by_scatter = {};
  for (std::size_t k = 0; k < edges.size(); ++k) {
    const Batch z = clipped((edges[k] - mean) * (1.0 / scatter)), cdf = triweight_cdf(z);
    const Batch by_mean = triweight(z) * (-1.0 / scatter), by_scatter = by_mean * z;
    if (k > 0) {
      weights.value[k - 1] = cdf - below;
      weights.by_mean[k - 1] = by_mean - below_by_mean;
      weights.by_scatter[k - 1] = by_scatter - below_by_scatter;
    }
    below = cdf, below_by_mean = by_mean, below_by_scatter = by_scatter;
  }
}

}  // namespace

double photometry(Column redshift, Column log_mstar, const Library& library, Params p, Gradient gradient) {
  constexpr std::size_t bins = 6, num_params = 6, values = 5;  // of a flux: itself, by both means and both scatters
  constexpr double width = 0.3, flux_to_magnitude = -2.5 / std::numbers::ln10;
  const std::size_t num_z = library.redshift.size(), bands = library.bands, num_ages = library.log_age.size();
  const std::size_t num_metallicities = library.log_metallicity.size();
  std::vector<double> edges = {-10.0};
  for (std::size_t k = 1; k < num_metallicities; ++k) {
    edges.push_back(0.5 * (library.log_metallicity[k - 1] + library.log_metallicity[k]));
  }
  edges.push_back(10.0);
  const double step = library.redshift[1] - library.redshift[0];

  Weights ages(num_ages), metallicities(num_metallicities);
  std::vector<Batch> flux(bands * values), of_metallicity(bands * 3);
  std::vector<Batch> count(bands * (bins + 1)), slope(bands * (bins + 1) * num_params);
  for_each_batch(redshift.size(), [&](std::size_t row, auto rows) {
    const Batch z = rows.load(&redshift[row]), mass = rows.load(&log_mstar[row]);
    weigh_ages(library.log_age, p[0] + p[1] * mass, p[2], ages);
    weigh_metallicities(edges, p[3] + p[4] * mass, p[5], metallicities);
    std::size_t cell[lanes];
    Batch u;
    for (std::size_t k = 0; k < lanes; ++k) {
      const auto after = std::ranges::upper_bound(library.redshift, z[k]) - library.redshift.begin();
      cell[k] =
          static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(after - 1, 0, static_cast<std::ptrdiff_t>(num_z) - 2));
      u[k] = (z[k] - library.redshift[cell[k]]) / step;
    }
    std::ranges::fill(flux, Batch{});
    const double* table = library.log_flux.data();
    for (std::size_t m = 0; m < num_metallicities; ++m) {
      std::ranges::fill(of_metallicity, Batch{});
      for (std::size_t a = 0; a < num_ages; ++a) {
        for (std::size_t b = 0; b < bands; ++b, table += num_z) {
          Batch low, high;
          for (std::size_t k = 0; k < lanes; ++k) low[k] = table[cell[k]], high[k] = table[cell[k] + 1];
          const Batch light = exp10(low + u * (high - low));
          of_metallicity[3 * b] += light * ages.value[a];
          of_metallicity[3 * b + 1] += light * ages.by_mean[a];
          of_metallicity[3 * b + 2] += light * ages.by_scatter[a];
        }
      }
      for (std::size_t b = 0; b < bands; ++b) {
        for (std::size_t k = 0; k < 3; ++k) flux[values * b + k] += of_metallicity[3 * b + k] * metallicities.value[m];
        flux[values * b + 3] += of_metallicity[3 * b] * metallicities.by_mean[m];
        flux[values * b + 4] += of_metallicity[3 * b] * metallicities.by_scatter[m];
      }
    }
    for (std::size_t b = 0; b < bands; ++b) {
      const Batch* f = &flux[values * b];
      const Batch magnitude = 22.0 - 2.5 * log10(f[0]) - 2.5 * mass, scale = flux_to_magnitude / f[0];
      const Batch by_age = scale * f[1], by_metallicity = scale * f[3];
      const Batch by[num_params] = {by_age,         by_age * mass,         scale * f[2],
                                    by_metallicity, by_metallicity * mass, scale * f[4]};
      for (std::size_t k = 0; k <= bins; ++k) {
        const double edge = 17.0 + 10.0 / 6.0 * static_cast<double>(k);
        const Batch distance = clipped((edge - magnitude) * (1.0 / width));
        const Batch bell = rows.keep(triweight(distance) * (-1.0 / width));
        count[b * (bins + 1) + k] += rows.keep(triweight_cdf(distance));
        for (std::size_t i = 0; i < num_params; ++i) slope[(b * (bins + 1) + k) * num_params + i] += bell * by[i];
      }
    }
  });

  double loss = 0.0;
  std::ranges::fill(gradient, 0.0);
  const double scale = 1.0 / static_cast<double>(bands * bins);
  for (std::size_t b = 0; b < bands; ++b) {
    for (std::size_t k = b * (bins + 1); k < b * (bins + 1) + bins; ++k) {
      const double root = std::sqrt(total(count[k + 1]) - total(count[k]) + 0.1), residual = root - 1.5;
      loss += scale * residual * residual;
      for (std::size_t i = 0; i < num_params; ++i) {
        gradient[i] +=
            scale * residual / root * (total(slope[(k + 1) * num_params + i]) - total(slope[k * num_params + i]));
      }
    }
  }
  return loss;
}

}  // namespace limits
