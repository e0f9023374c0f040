#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numbers>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "allgrad/objective.hpp"

// Objectives written by hand, each a sum over ranks whose terms differ from rank to rank.

/// A hash of parameters, the same on every rank exactly where they are.
inline std::uint64_t fingerprint_of(std::span<const double> params) {
  std::uint64_t hash = 0;
  for (const double p : params) hash = hash * 1099511628211U + std::bit_cast<std::uint64_t>(p);
  return hash;
}

/// Sums what the ranks add to a message, and knows how often it was asked to.
class SummedObjective : public allgrad::Objective {
 public:
  SummedObjective(std::size_t num_params, std::size_t message_size)
      : num_params_(num_params), gradient_(num_params), message_(message_size) {}

  std::size_t num_params() const override { return num_params_; }
  const allgrad::Communicator& communicator() const override { return comm_; }
  double value(std::span<const double> params, const allgrad::EvaluationOptions& options = {}) override {
    return value_and_gradient(params, gradient_, options);
  }
  std::size_t evaluations() const { return evaluations_; }

 protected:
  std::span<const double> sum_over_ranks(std::span<const double> params) {
    ++evaluations_;
    comm_.allreduce(message_, allgrad::Operation("an evaluation").with("parameters", fingerprint_of(params)));
    return message_.payload();
  }
  std::span<double> own_part() {
    std::ranges::fill(message_.payload(), 0.0);
    return message_.payload();
  }

 private:
  std::size_t num_params_;
  std::vector<double> gradient_;
  allgrad::Communicator comm_ = allgrad::Communicator::world();
  allgrad::Message message_;
  std::size_t evaluations_ = 0;
};

/// A function of the parameters, of which rank r contributes a share that is proportional to r + 1.
class Analytic final : public SummedObjective {
 public:
  using Function = std::function<double(std::span<const double> params, std::span<double> gradient)>;
  using FunctionOfOptions = std::function<double(std::span<const double> params, std::span<double> gradient,
                                                 const allgrad::EvaluationOptions& options)>;

  Analytic(std::size_t num_params, FunctionOfOptions function)
      : SummedObjective(num_params, num_params + 1), function_(std::move(function)) {}
  Analytic(std::size_t num_params, Function function)
      : Analytic(num_params, [function = std::move(function)](auto params, auto gradient, const auto&) {
          return function(params, gradient);
        }) {}

  double value_and_gradient(std::span<const double> params, std::span<double> gradient,
                            const allgrad::EvaluationOptions& options = {}) override {
    const std::span<double> part = own_part();
    part[0] = function_(params, part.subspan(1), options);
    const double size = communicator().size();
    const double share = 2.0 * (communicator().rank() + 1) / (size * (size + 1.0));
    for (double& p : part) p *= share;
    const std::span<const double> total = sum_over_ranks(params);
    std::ranges::copy(total.subspan(1), gradient.begin());
    if (!std::isfinite(total[0]) || !std::ranges::all_of(gradient, [](double g) { return std::isfinite(g); })) ++walls_;
    return total[0];
  }

  std::string what_is_not_finite(std::span<const double> params, const allgrad::EvaluationOptions&) override {
    ++explanations_;
    communicator().synchronize(allgrad::Operation("a search").with("parameters", fingerprint_of(params)));
    return "statistic 3 of 10 is nan";
  }

  /// How many of the evaluations were at points where loss or gradient are not finite.
  std::size_t walls() const { return walls_; }

  /// How often it was asked what is not finite.
  std::size_t explanations() const { return explanations_; }

 private:
  FunctionOfOptions function_;
  std::size_t walls_ = 0;
  std::size_t explanations_ = 0;
};

/// sum_i (x_0 - i)^2 + 3 (x_1 + i)^2 over rows i = 0 ... rows - 1, minimal at -+(rows - 1) / 2; the first of several
/// ranks has no row.
class Rows final : public SummedObjective {
 public:
  explicit Rows(std::size_t rows) : SummedObjective(2, 3), rows_(rows) {}

  double value_and_gradient(std::span<const double> params, std::span<double> gradient,
                            const allgrad::EvaluationOptions& = {}) override {
    const std::span<double> part = own_part();
    for (std::size_t i = cut(communicator().rank()); i < cut(communicator().rank() + 1); ++i) {
      const double a = params[0] - static_cast<double>(i);
      const double b = params[1] + static_cast<double>(i);
      part[0] += a * a + 3.0 * b * b;
      part[1] += 2.0 * a;
      part[2] += 6.0 * b;
    }
    const std::span<const double> total = sum_over_ranks(params);
    std::ranges::copy(total.subspan(1), gradient.begin());
    return total[0];
  }

 private:
  std::size_t cut(int rank) const {
    const int size = communicator().size();
    if (rank == size) return rows_;
    return rows_ * static_cast<std::size_t>(std::max(rank - 1, 0)) / static_cast<std::size_t>(std::max(size - 1, 1));
  }

  std::size_t rows_;
};

/// (1 - x)^2 + 100 (y - x^2)^2, minimal at (1, 1).
inline double rosenbrock(std::span<const double> p, std::span<double> gradient) {
  const double a = 1.0 - p[0];
  const double b = p[1] - p[0] * p[0];
  gradient[0] = -2.0 * a - 400.0 * p[0] * b;
  gradient[1] = 200.0 * b;
  return a * a + 100.0 * b * b;
}

/// The stellar mass function of `optimizers.py`, of which a rank holds the rows from N r^2 / R^2 on.
class Smf final : public SummedObjective {
 public:
  explicit Smf(std::vector<double> target) : SummedObjective(2, 3 * bins), target_(std::move(target)) {
    const auto ranks = static_cast<std::size_t>(communicator().size());
    const auto cut = [&](std::size_t rank) { return rows * rank * rank / (ranks * ranks); };
    const auto rank = static_cast<std::size_t>(communicator().rank());
    for (std::size_t i = cut(rank); i < cut(rank + 1); ++i) {
      log_mass_.push_back(10.0 - std::log10(1.0 - 0.95 * static_cast<double>(i) / (rows - 1.0)));
    }
  }

  double value_and_gradient(std::span<const double> params, std::span<double> gradient,
                            const allgrad::EvaluationOptions& = {}) override {
    add_own_part(params);
    const std::span<const double> total = sum_over_ranks(params);
    double loss = 0.0;
    std::ranges::fill(gradient, 0.0);
    for (std::size_t b = 0; b < bins; ++b) {
      const double smf = total[b] + 1e-10;
      const double residual = std::log10(smf) - std::log10(target_[b] + 1e-10);
      const double dloss_dsmf = 2.0 * residual / (bins * smf * std::numbers::ln10);
      loss += residual * residual / bins;
      gradient[0] += dloss_dsmf * total[bins + b];
      gradient[1] += dloss_dsmf * total[2 * bins + b];
    }
    return loss;
  }

 private:
  static constexpr std::size_t rows = 10000;
  static constexpr std::size_t bins = 10;

  // [10] mass function, [10] its derivative by each of the two parameters
  void add_own_part(std::span<const double> params) {
    const std::span<double> part = own_part();
    const double width = std::numbers::sqrt2 * std::pow(10.0, params[1]);
    const double norm = 1.0 / (10.0 * rows * 0.1);
    for (const double m : log_mass_) {
      std::array<double, 3> below{};
      for (std::size_t edge = 0; edge <= bins; ++edge) {
        const double z = (9.0 + 0.1 * static_cast<double>(edge) - params[0] - m) / width;
        const double density = std::exp(-z * z) * std::numbers::inv_sqrtpi;
        const std::array above{0.5 * std::erf(z), -density / width, -density * z * std::numbers::ln10};
        for (std::size_t k = 0; k < 3 && edge > 0; ++k) part[k * bins + edge - 1] += norm * (above[k] - below[k]);
        below = above;
      }
    }
  }

  std::vector<double> target_;
  std::vector<double> log_mass_;
};
