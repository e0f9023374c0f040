// The loops of kernels, histogram, logistic and mixture.

#include <algorithm>
#include <cmath>
#include <vector>

#include "batch.hpp"
#include "limits.hpp"

namespace limits {

namespace {

/// Sums of a statistic over rows, and of its derivatives by what moves the points.
constexpr std::size_t kernels_params = 7;
struct Statistic {
  Batch sum = {}, by[kernels_params] = {};
};

}  // namespace

double kernels(Column x_column, Column y_column, Column z_column, Params p, Gradient gradient) {
  constexpr std::size_t centers = 4, waves = 3;
  constexpr double center[centers][3] = {{0.0, 0.0, 0.0}, {0.5, -0.5, 0.2}, {-0.8, 0.3, 0.6}, {0.1, 0.9, -0.7}};
  constexpr double wave[waves][3] = {{1.0, 0.3, -0.2}, {-0.4, 1.2, 0.5}, {0.2, -0.3, 1.6}};
  Statistic statistics[centers + 2 * waves];
  for_each_tile(x_column.size(), [&](std::size_t row, std::size_t batches, auto rows) {
    Batch x[tile], y[tile], z[tile], weight[tile], weight_by_y[tile], z_by_x[tile], z_scale[tile], value[tile];
    Batch by_x[tile], by_y[tile], by_z[tile];
    const auto column = [&](Column values, std::size_t i) { return rows.load(&values[row + i * lanes]); };
    for (std::size_t i = 0; i < batches; ++i) {
      x[i] = p[0] + p[3] * column(x_column, i);
      y[i] = p[1] + p[4] * column(y_column, i) + p[6] * x[i];
      const Batch bell = exp(-0.1 * (x[i] * x[i])), offset = p[5] * column(z_column, i) * bell;
      z[i] = p[2] + offset;
      z_by_x[i] = -0.2 * x[i] * offset;
      z_scale[i] = column(z_column, i) * bell;
      weight[i] = rows.keep(1.0 / (1.0 + exp(-y[i])));
      weight_by_y[i] = weight[i] * (1.0 - weight[i]);
    }
    // Of a statistic with the derivatives in by_x, by_y and by_z, where y and z are held.
    const auto add = [&](Statistic& statistic) {
      Batch sum = {}, by[kernels_params] = {};
      for (std::size_t i = 0; i < batches; ++i) {
        const Batch along_x = by_x[i] + p[6] * by_y[i] + z_by_x[i] * by_z[i];
        sum += value[i];
        by[0] += along_x, by[3] += along_x * column(x_column, i);
        by[1] += by_y[i], by[4] += by_y[i] * column(y_column, i), by[6] += by_y[i] * x[i];
        by[2] += by_z[i], by[5] += by_z[i] * z_scale[i];
      }
      statistic.sum += sum;
      for (std::size_t k = 0; k < kernels_params; ++k) statistic.by[k] += by[k];
    };
    for (std::size_t c = 0; c < centers; ++c) {
      for (std::size_t i = 0; i < batches; ++i) {
        const Batch dx = x[i] - center[c][0], dy = y[i] - center[c][1], dz = z[i] - center[c][2];
        const Batch bell = exp((-0.5 / 0.49) * (dx * dx + dy * dy + dz * dz));
        value[i] = weight[i] * bell;
        by_x[i] = (-1.0 / 0.49) * dx * value[i];
        by_y[i] = weight_by_y[i] * bell - (1.0 / 0.49) * dy * value[i];
        by_z[i] = (-1.0 / 0.49) * dz * value[i];
      }
      add(statistics[c]);
    }
    for (std::size_t w = 0; w < waves; ++w) {
      Batch cosine[tile], sine[tile];
      for (std::size_t i = 0; i < batches; ++i) {
        const Batch phase = wave[w][0] * x[i] + wave[w][1] * y[i] + wave[w][2] * z[i];
        cosine[i] = cos(phase);
        sine[i] = sin(phase);
      }
      const auto use = [&](const Batch* f, const Batch* derivative, double sign) {
        for (std::size_t i = 0; i < batches; ++i) {
          const Batch slope = sign * weight[i] * derivative[i];
          value[i] = weight[i] * f[i];
          by_x[i] = slope * wave[w][0];
          by_y[i] = slope * wave[w][1] + weight_by_y[i] * f[i];
          by_z[i] = slope * wave[w][2];
        }
      };
      use(cosine, sine, -1.0);
      add(statistics[centers + w]);
      use(sine, cosine, 1.0);
      add(statistics[centers + waves + w]);
    }
  });

  double loss = 0.0;
  std::ranges::fill(gradient, 0.0);
  for (std::size_t s = 0; s < centers + 2 * waves; ++s) {
    const double count = total(statistics[s].sum);
    const double distance = count - 8.0, variance = count + 1.0;
    loss += s < centers ? distance * distance / variance : count * count / 40.0;
    const double slope = s < centers ? distance * (2.0 * variance - distance) / (variance * variance) : count / 20.0;
    for (std::size_t k = 0; k < kernels_params; ++k) gradient[k] += slope * total(statistics[s].by[k]);
  }
  return loss;
}

double histogram(Column bin, Column x, std::size_t num_bins, Params p, Gradient gradient) {
  std::vector<double> counts(num_bins);
  const auto for_each_row = [&](auto body) {
    for_each_batch(x.size(), [&](std::size_t row, auto rows) {
      const Batch weight = rows.keep(exp(p[0] + p[1] * rows.load(&x[row]))), position = rows.load(&bin[row]);
      body(row, rows, weight, position);
    });
  };
  for_each_row([&](std::size_t, auto, const Batch& weight, const Batch& position) {
    for (std::size_t k = 0; k < lanes; ++k) counts[static_cast<std::size_t>(position[k])] += weight[k];
  });
  const double expected = static_cast<double>(x.size()) / static_cast<double>(num_bins);
  double loss = 0.0;
  for (double& count : counts) {
    const double residual = count - expected;
    loss += residual * residual;
    count = residual;
  }
  Batch by[2] = {};
  for_each_row([&](std::size_t row, auto rows, const Batch& weight, const Batch& position) {
    Batch residual;
    for (std::size_t k = 0; k < lanes; ++k) residual[k] = counts[static_cast<std::size_t>(position[k])];
    by[0] += weight * residual;
    by[1] += weight * residual * rows.load(&x[row]);
  });
  const double scale = 1.0 / static_cast<double>(num_bins);
  for (std::size_t k = 0; k < 2; ++k) gradient[k] = 2.0 * scale * total(by[k]);
  return scale * loss;
}

double logistic(const std::vector<Column>& features, Column sign, Params p, Gradient gradient) {
  const std::size_t n = features.size();
  Batch loss = {};
  std::vector<Batch> by(n + 1);
  for_each_tile(sign.size(), [&](std::size_t row, std::size_t batches, auto rows) {
    Batch score[tile], slope[tile];
    for (std::size_t i = 0; i < batches; ++i) score[i] = Batch{} + p[n];
    for (std::size_t k = 0; k < n; ++k) {
      for (std::size_t i = 0; i < batches; ++i) score[i] += p[k] * rows.load(&features[k][row + i * lanes]);
    }
    Batch sum = {}, slope_sum = {};
    for (std::size_t i = 0; i < batches; ++i) {
      const Batch s = rows.load(&sign[row + i * lanes]), e = exp(-score[i] * s);
      sum += rows.keep(log1p(e));
      slope[i] = rows.keep(-s * e / (1.0 + e));
      slope_sum += slope[i];
    }
    loss += sum;
    by[n] += slope_sum;
    for (std::size_t k = 0; k < n; ++k) {
      Batch part = {};
      for (std::size_t i = 0; i < batches; ++i) part += slope[i] * rows.load(&features[k][row + i * lanes]);
      by[k] += part;
    }
  });
  const double per_row = 1.0 / static_cast<double>(sign.size());
  for (std::size_t k = 0; k <= n; ++k) gradient[k] = per_row * total(by[k]);
  return per_row * total(loss);
}

double mixture(Column x, Params p, Gradient gradient) {
  constexpr std::size_t parts = 5;
  double offset[parts], share[parts], per_width[parts], sum_of_shares = 0.0;
  for (std::size_t k = 0; k < parts; ++k) sum_of_shares += share[k] = std::exp(p[2 * parts + k]);
  for (std::size_t k = 0; k < parts; ++k) {
    share[k] /= sum_of_shares;
    offset[k] = std::log(share[k]) - p[parts + k];
    per_width[k] = std::exp(-p[parts + k]);
  }
  Batch log_likelihood = {}, moment[parts][3] = {};  // of what each part has of each row: times z^0, z^1, z^2
  for_each_batch(x.size(), [&](std::size_t row, auto rows) {
    const Batch value = rows.load(&x[row]);
    Batch z[parts], exponent[parts], largest = {}, sum = {};
    for (std::size_t k = 0; k < parts; ++k) {
      z[k] = (value - p[k]) * per_width[k];
      exponent[k] = offset[k] - 0.5 * (z[k] * z[k]);
      largest = k == 0 ? exponent[k] : exponent[k] > largest ? exponent[k] : largest;
    }
    for (std::size_t k = 0; k < parts; ++k) sum += exponent[k] = exp(exponent[k] - largest);
    log_likelihood += rows.keep(largest + log(sum));
    const Batch per_sum = rows.keep(1.0 / sum);
    for (std::size_t k = 0; k < parts; ++k) {
      const Batch part = exponent[k] * per_sum;
      moment[k][0] += part, moment[k][1] += part * z[k], moment[k][2] += part * (z[k] * z[k]);
    }
  });
  const double num_rows = static_cast<double>(x.size());
  for (std::size_t k = 0; k < parts; ++k) {
    const double part = total(moment[k][0]);
    gradient[k] = -total(moment[k][1]) * per_width[k] / num_rows;
    gradient[parts + k] = (part - total(moment[k][2])) / num_rows;
    gradient[2 * parts + k] = share[k] - part / num_rows;
  }
  return -total(log_likelihood) / num_rows;
}

}  // namespace limits
