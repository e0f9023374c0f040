#pragma once

// Models that are timed alone, as a user writes them; others are those of examples/models.

#include <cmath>
#include <numbers>
#include <xtensor/xadapt.hpp>

#include "allgrad/allgrad.hpp"
#include "limits.hpp"

namespace benchmarks {

namespace ag = allgrad;

constexpr double lowest_mass = 5.0, highest_mass = 6.0;  // of massfit

/// The model of examples/01_gama_smf.cpp.
class Gama final : public ag::OnePointModel {
 public:
  Gama(const ag::Table& halos, const limits::Observation& observed)
      : OnePointModel(halos.communicator()),
        log_mass_(halos["log_mass"]),
        edges_(xt::adapt(observed.edges)),
        phi_(xt::adapt(observed.value)),
        error_(xt::adapt(observed.error)),
        phi_of_one_(observed.value_of_one) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto x = log_mass_ - params[0];
    const auto ratio = log10(pow(10.0, -params[2] * x) + pow(10.0, params[3] * x));
    const auto log_mstar = log_mass_ + std::log10(2.0) + params[1] - ratio;
    const auto sigma = pow(10.0, params[4]);
    const auto cdf = 0.5 * (1.0 + erf((edges_ - expand_dims(log_mstar, 1)) / (std::sqrt(2.0) * sigma)));
    return phi_of_one_ * diff(sum(cdf, 0));
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& phi) const override {
    const auto chi_squared = sum(square((phi.value - phi_) / error_));
    const auto prior = square((phi.params[4] - std::log10(0.15)) / 0.1);
    return 0.5 * chi_squared + 0.5 * prior;
  }

 private:
  ag::Expr log_mass_;
  ag::Array edges_, phi_, error_;
  double phi_of_one_;
};

/// One statistic of a value per row with many lanes, [rows, 22, 94, 9].
class Wide final : public ag::OnePointModel {
 public:
  Wide(const ag::Table& table, const ag::Array& constants)
      : OnePointModel(table.communicator()), table_(table), constants_(constants) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto expand = [](const ag::Expr& x) { return expand_dims(expand_dims(expand_dims(x, 1), 1), 1); };
    const auto exponent = (params[0] * constants_ + 0.1 * params[1] * expand(table_["x"])) * expand(table_["w"]);
    return sum(exp(-exponent)) / static_cast<double>(table_.total_rows() * constants_.size());
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& mean) const override { return square(log10(mean.value) + 0.3); }

 private:
  ag::Table table_;
  ag::Array constants_;
};

/// The unbinned likelihood of a Gaussian peak on an exponential, each normalized on an interval of masses.
/// params = (mu, sigma, slope, fraction in the peak)
class MassFit final : public ag::OnePointModel {
 public:
  explicit MassFit(const ag::Table& events) : OnePointModel(events.communicator()), events_(events) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto mu = params[0], sigma = params[1], slope = params[2], fraction = params[3], mass = events_["mass"];
    const auto cdf = [&](double x) { return erf((x - mu) / (std::sqrt(2.0) * sigma)); };
    const auto peak_norm = sigma * std::sqrt(0.5 * std::numbers::pi) * (cdf(highest_mass) - cdf(lowest_mass));
    const auto peak = exp(-0.5 * square((mass - mu) / sigma)) / peak_norm;
    const auto tail_norm = (exp(slope * (highest_mass - lowest_mass)) - 1.0) / slope;
    const auto tail = exp(slope * (mass - lowest_mass)) / tail_norm;
    return sum(log(fraction * peak + (1.0 - fraction) * tail));
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& log_likelihood) const override {
    return -log_likelihood.value / static_cast<double>(events_.total_rows());
  }

 private:
  ag::Table events_;
};

/// A statistic for each of some lanes: bells around centers between 0 and 1.
class Lanes final : public ag::OnePointModel {
 public:
  Lanes(const ag::Table& table, std::size_t count)
      : OnePointModel(table.communicator()), x_(table["x"]), centers_(xt::linspace<double>(0.0, 1.0, count)) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    return sum(exp(-square((centers_ - params[0] * expand_dims(x_, 1)) * params[1])), 0);
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& counts) const override {
    return mean(square(log10(counts.value) - 1.0));
  }

 private:
  ag::Expr x_;
  ag::Array centers_;
};

/// A polynomial with a coefficient for each of some parameters, under a function.
class Polynomial final : public ag::OnePointModel {
 public:
  explicit Polynomial(const ag::Table& table) : OnePointModel(table.communicator()), x_(table["x"]), y_(table["w"]) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    ag::Expr value = params[-1];
    for (std::size_t k = params.shape()[0].length - 1; k-- > 0;) value = params[k] + value * x_;
    return mean(square(tanh(value) - y_));
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& distance) const override { return log(distance.value); }

 private:
  ag::Expr x_, y_;
};

/// Events in bins by a number that each has, with weights that depend on parameters.
class Histogram final : public ag::OnePointModel {
 public:
  Histogram(const ag::Table& events, std::size_t num_bins)
      : OnePointModel(events.communicator()),
        events_(events),
        num_bins_(num_bins),
        expected_(static_cast<double>(events.total_rows()) / static_cast<double>(num_bins)) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    return histogram(events_["bin"], exp(params[0] + params[1] * events_["x"]), num_bins_);
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& counts) const override {
    return mean(square(counts.value - expected_));
  }

 private:
  ag::Table events_;
  std::size_t num_bins_;
  double expected_;
};

/// Logistic regression on features [rows, n] with an intercept: the last parameter.
class Logistic final : public ag::OnePointModel {
 public:
  explicit Logistic(const ag::Table& rows) : OnePointModel(rows.communicator()), rows_(rows) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const std::size_t n = params.shape()[0].length - 1;
    std::vector<ag::Expr> features;
    for (std::size_t k = 0; k < n; ++k) features.push_back(rows_[fmt::format("x{}", k)]);
    const auto score = dot(ag::stack(features, 1), view(params, ag::range(0, -1))) + params[-1];
    return sum(log1p(exp(-score * rows_["sign"])));
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& surprise) const override {
    return surprise.value / static_cast<double>(rows_.total_rows());
  }

 private:
  ag::Table rows_;
};

/// Likelihood of a mixture of normal distributions: params = their means, the logs of their widths, and their weights
/// before a softmax.
class Mixture final : public ag::OnePointModel {
 public:
  explicit Mixture(const ag::Table& rows) : OnePointModel(rows.communicator()), rows_(rows) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto p = reshape(params, {3, -1});
    const auto z = (expand_dims(rows_["x"], 1) - p[0]) / exp(p[1]);  // [rows, n]
    return sum(logsumexp(log_softmax(p[2]) - p[1] - 0.5 * square(z), 1));
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& log_likelihood) const override {
    return -log_likelihood.value / static_cast<double>(rows_.total_rows());
  }

 private:
  ag::Table rows_;
};

}  // namespace benchmarks
