// The loop of growth: the gradient in a second sweep, since the twelve parameters act on all twenty times.

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "batch.hpp"
#include "limits.hpp"
#include "triweight.hpp"

namespace limits {

namespace {

constexpr double ln_10 = std::numbers::ln10, width = 0.15;
constexpr std::size_t times = 20, bins = 8, edges = bins + 1;

double square(double x) { return x * x; }

Batch sigmoid(Batch x) { return 1.0 / (1.0 + exp(-x)); }

/// What no row changes.
struct Grid {
  std::array<double, times> log_t, since_t, weight;  ///< log10 of each time, its distance to today, its share
  std::array<double, edges> edge;

  Grid() {
    constexpr double step = 13.3 / 19.0;
    for (std::size_t t = 0; t < times; ++t) {
      log_t[t] = std::log10(0.5 + step * static_cast<double>(t));
      since_t[t] = log_t[t] - std::log10(13.8);
      weight[t] = t == 0 || t + 1 == times ? 0.5 * step : step;
    }
    for (std::size_t k = 0; k < edges; ++k) edge[k] = 8.5 + 0.4 * static_cast<double>(k);
  }
};

/// Star formation of a batch of halos, and what its derivatives need.
struct History {
  Batch early, late, log_time, relative;  // of the halos
  Batch mix[times], slope_mix[times], distance[times], z[times], quench[times], formed[times];
  Batch total = {};

  History(const Grid& grid, Params p, Batch log_mass, Batch log_tq) {
    relative = log_mass - 12.0;
    early = p[0] + p[1] * relative, late = p[2] + p[3] * relative, log_time = p[4] + p[5] * relative;
    const double per_duration = 1.0 / p[10];
    for (std::size_t t = 0; t < times; ++t) {
      mix[t] = sigmoid(3.5 * (grid.log_t[t] - log_time));
      const Batch mass = log_mass + (early + (late - early) * mix[t]) * grid.since_t[t];
      distance[t] = mass - p[7];
      slope_mix[t] = sigmoid(4.0 * distance[t]);
      z[t] = clipped((grid.log_t[t] - log_tq) * per_duration);
      quench[t] = triweight_cdf(z[t]);
      const Batch slope = p[8] + (p[9] - p[8]) * slope_mix[t];
      formed[t] = 0.16 * exp10(mass + p[6] + slope * distance[t] + p[11] * quench[t] - 9.0);
      total += grid.weight[t] * formed[t];
    }
  }
};

}  // namespace

double growth(Column log_mass, Column weight, Column log_tq, Params p, Gradient gradient) {
  const Grid grid;
  Batch count[bins] = {}, rates[bins] = {};
  for_each_batch(log_mass.size(), [&](std::size_t row, auto rows) {
    const History history(grid, p, rows.load(&log_mass[row]), rows.load(&log_tq[row]));
    const Batch log_mstar = log10(1e9 * history.total + 1.0);
    const Batch log_ssfr = log10(1e9 * history.formed[times - 1] + 1.0) - log_mstar;
    const Batch w = rows.keep(rows.load(&weight[row]));
    Batch below = triweight_cdf(clipped((grid.edge[0] - log_mstar) * (1.0 / width)));
    for (std::size_t k = 0; k < bins; ++k) {
      const Batch cdf = triweight_cdf(clipped((grid.edge[k + 1] - log_mstar) * (1.0 / width)));
      const Batch part = w * (cdf - below);
      count[k] += part;
      rates[k] += part * log_ssfr;
      below = cdf;
    }
  });

  double loss = 0.0;
  std::array<double, bins> by_count{}, by_rates{};
  for (std::size_t k = 0; k < bins; ++k) {
    const double n = limits::total(count[k]) + 1e-3, sum = limits::total(rates[k]);
    const double residual = std::log10(n) - 0.7, rate = sum / n + 1.0;
    loss += (square(residual) + 0.1 * square(rate)) / bins;
    by_count[k] = 2.0 / bins * (residual / (n * ln_10) - 0.1 * rate * sum / (n * n));
    by_rates[k] = 0.2 / bins * rate / n;
  }
  std::array<double, edges> count_of_edge{}, rates_of_edge{};  // what the distribution function at each edge counts
  for (std::size_t k = 0; k < bins; ++k) {
    count_of_edge[k] -= by_count[k], count_of_edge[k + 1] += by_count[k];
    rates_of_edge[k] -= by_rates[k], rates_of_edge[k + 1] += by_rates[k];
  }

  Batch by[12] = {};
  for_each_batch(log_mass.size(), [&](std::size_t row, auto rows) {
    const History h(grid, p, rows.load(&log_mass[row]), rows.load(&log_tq[row]));
    const Batch mstar = 1e9 * h.total + 1.0, today = 1e9 * h.formed[times - 1] + 1.0;
    const Batch log_mstar = log10(mstar), log_ssfr = log10(today) - log_mstar;
    const Batch w = rows.keep(rows.load(&weight[row]));
    Batch by_mstar = {}, by_ssfr = {};
    for (std::size_t k = 0; k < edges; ++k) {
      const Batch z = clipped((grid.edge[k] - log_mstar) * (1.0 / width));
      by_mstar -= triweight(z) * (1.0 / width) * (count_of_edge[k] + log_ssfr * rates_of_edge[k]);
      by_ssfr += triweight_cdf(z) * rates_of_edge[k];
    }
    by_ssfr *= w;
    by_mstar = w * by_mstar - by_ssfr;
    const Batch by_total = by_mstar * 1e9 / mstar;  // times ln 10, which cancels
    Batch by_early = {}, by_late = {}, by_time = {};
    for (std::size_t t = 0; t < times; ++t) {
      Batch g = by_total * grid.weight[t];
      if (t + 1 == times) g += by_ssfr * 1e9 / today;
      g *= h.formed[t];
      const Batch slope = p[8] + (p[9] - p[8]) * h.slope_mix[t], gd = g * h.distance[t];
      const Batch by_mass_term = g * slope + gd * ((p[9] - p[8]) * 4.0) * h.slope_mix[t] * (1.0 - h.slope_mix[t]);
      by[6] += g;
      by[7] -= by_mass_term;
      by[8] += gd * (1.0 - h.slope_mix[t]);
      by[9] += gd * h.slope_mix[t];
      by[10] -= g * triweight(h.z[t]) * h.z[t];
      by[11] += g * h.quench[t];
      const Batch by_alpha = (g + by_mass_term) * grid.since_t[t];
      by_early += by_alpha * (1.0 - h.mix[t]);
      by_late += by_alpha * h.mix[t];
      by_time += by_alpha * h.mix[t] * (1.0 - h.mix[t]);
    }
    by_time *= -3.5 * (h.late - h.early);
    by[0] += by_early, by[1] += by_early * h.relative;
    by[2] += by_late, by[3] += by_late * h.relative;
    by[4] += by_time, by[5] += by_time * h.relative;
  });
  for (std::size_t k = 0; k < 12; ++k) gradient[k] = limits::total(by[k]);
  gradient[10] *= p[11] / p[10];
  return loss;
}

}  // namespace limits
