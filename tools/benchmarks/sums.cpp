// The loops of twostage, wide and massfit.

#include <cmath>
#include <numbers>
#include <vector>

#include "batch.hpp"
#include "limits.hpp"

namespace limits {

double twostage(Column x, Params params, Gradient gradient) {
  const double a = params[0], b = params[1], num_rows = static_cast<double>(x.size());
  const auto y = [&](Batch v) { return sinh(a * v) + b * (v * v); };

  Batch sum_y = {};
  for_each_batch(x.size(), [&](std::size_t row, auto rows) { sum_y += rows.keep(y(rows.load(&x[row]))); });
  const double average = total(sum_y) / num_rows;

  Batch sum_squares = {};
  for_each_batch(x.size(), [&](std::size_t row, auto rows) {
    const Batch d = y(rows.load(&x[row])) - average;
    sum_squares += rows.keep(d * d);
  });
  const double sigma = std::sqrt(total(sum_squares) / num_rows), per_sigma = 1.0 / sigma;

  // by_a, by_b: the derivatives of y, alone, times y - average, and times that of the tail by |y - average|
  Batch tail = {}, deviation = {}, slope = {}, slope_t = {};
  Batch by_a[3] = {}, by_b[3] = {};
  for_each_batch(x.size(), [&](std::size_t row, auto rows) {
    const Batch v = rows.load(&x[row]), m = expm1(a * v), grow = 1.0 + m, decay = 1.0 / grow;
    const Batch v_cosh = rows.keep(0.5 * v * (grow + decay)), v_squared = rows.keep(v * v);
    const Batch d = 0.5 * (m + m * decay) + b * (v * v) - average;
    const Batch t = abs(d) * per_sigma, e = exp(8.0 - 4.0 * t), sigmoid = rows.keep(1.0 / (1.0 + e));
    const Batch down = e * sigmoid * sigmoid, side = d < 0.0 ? -down : down;
    tail += sigmoid;
    deviation += rows.keep(d);
    slope += side;
    slope_t += down * t;
    by_a[0] += v_cosh, by_a[1] += v_cosh * d, by_a[2] += v_cosh * side;
    by_b[0] += v_squared, by_b[1] += v_squared * d, by_b[2] += v_squared * side;
  });

  const double count = total(tail);
  const auto derivative = [&](const Batch(&by)[3]) {
    const double d_average = total(by[0]) / num_rows;
    const double d_sigma = (total(by[1]) - d_average * total(deviation)) / (num_rows * sigma);
    const double d_tail = 4.0 * per_sigma * (total(by[2]) - d_average * total(slope) - d_sigma * total(slope_t));
    return 2.0 * ((average - 0.1) * d_average + (sigma - 1.5) * d_sigma + (count / 10.0 - 0.5) * d_tail / 10.0);
  };
  gradient[0] = derivative(by_a);
  gradient[1] = derivative(by_b);
  const auto square = [](double v) { return v * v; };
  return square(average - 0.1) + square(sigma - 1.5) + square(count / 10.0 - 0.5);
}

double wide(Column x, Column w, Column table, Params params, Gradient gradient) {
  std::vector<double> scaled(table.begin(), table.end());
  for (double& value : scaled) value *= params[0];

  Batch sum = {}, by_table = {}, by_x = {};
  for_each_batch(x.size(), [&](std::size_t row, auto rows) {
    const Batch shift = 0.1 * params[1] * rows.load(&x[row]), weight = rows.load(&w[row]);
    Batch row_sum = {}, row_by_table = {};
    for (std::size_t lane = 0; lane < table.size(); ++lane) {
      const Batch value = exp(-(scaled[lane] + shift) * weight);
      row_sum += value;
      row_by_table += value * table[lane];
    }
    sum += rows.keep(row_sum);
    by_table -= rows.keep(row_by_table * weight);
    by_x -= rows.keep(row_sum * weight * rows.load(&x[row]));
  });

  const double residual = std::log10(total(sum) / static_cast<double>(x.size() * table.size())) + 0.3;
  const double d_sum = 2.0 * residual / (total(sum) * std::numbers::ln10);
  gradient[0] = d_sum * total(by_table);
  gradient[1] = d_sum * 0.1 * total(by_x);
  return residual * residual;
}

double massfit(Column mass, double low, double high, Params params, Gradient gradient) {
  const double mu = params[0], sigma = params[1], slope = params[2], fraction = params[3];
  const double z_low = (low - mu) / (std::numbers::sqrt2 * sigma), z_high = (high - mu) / (std::numbers::sqrt2 * sigma);
  const double peak_norm = sigma * std::sqrt(0.5 * std::numbers::pi) * (std::erf(z_high) - std::erf(z_low));
  const double decay = std::exp(slope * (high - low)), tail_norm = (decay - 1.0) / slope;
  const double peak = fraction / peak_norm, tail = (1.0 - fraction) / tail_norm, per_sigma = 1.0 / sigma;

  Batch log_likelihood = {}, by_peak[3] = {}, by_tail[2] = {};  // times t^0, t^1, t^2, and the distance to `low`
  for_each_batch(mass.size(), [&](std::size_t row, auto rows) {
    const Batch x = rows.load(&mass[row]), t = (x - mu) * per_sigma, distance = x - low;
    const Batch bell = exp(-0.5 * (t * t)), exponential = exp(slope * distance);
    const Batch density = peak * bell + tail * exponential;
    const Batch per_density = rows.keep(1.0 / density), peak_part = bell * per_density, t_part = t * peak_part;
    const Batch tail_part = exponential * per_density;
    log_likelihood += rows.keep(log(density));
    by_peak[0] += peak_part, by_peak[1] += t_part, by_peak[2] += t * t_part;
    by_tail[0] += tail_part, by_tail[1] += distance * tail_part;
  });

  const double bell_low = std::exp(-z_low * z_low), bell_high = std::exp(-z_high * z_high);
  const double norm_by_mu = bell_low - bell_high;
  const double norm_by_sigma = peak_norm * per_sigma - std::numbers::sqrt2 * (z_high * bell_high - z_low * bell_low);
  const double norm_by_slope = ((high - low) * decay - tail_norm) / slope;
  const double per_row = -1.0 / static_cast<double>(mass.size()), peaks = total(by_peak[0]), tails = total(by_tail[0]);
  gradient[0] = per_row * peak * (total(by_peak[1]) * per_sigma - peaks * norm_by_mu / peak_norm);
  gradient[1] = per_row * peak * (total(by_peak[2]) * per_sigma - peaks * norm_by_sigma / peak_norm);
  gradient[2] = per_row * tail * (total(by_tail[1]) - tails * norm_by_slope / tail_norm);
  gradient[3] = per_row * (peaks / peak_norm - tails / tail_norm);
  return per_row * total(log_likelihood);
}

}  // namespace limits
