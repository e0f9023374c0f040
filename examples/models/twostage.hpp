#pragma once

#include "allgrad/allgrad.hpp"

namespace models {

namespace ag = allgrad;

/// Statistics that need the totals of others: the mean of a value per row, the standard deviation about it, and a soft
/// count of the rows beyond two of these. The column is x; params = (stretch, curvature).
class TwoStage final : public ag::OnePointModel {
 public:
  explicit TwoStage(const ag::Table& rows, const ag::CompileOptions& options = {},
                    const xt::xarray<double>& observed = {0.1, 1.5, 5.0},
                    const xt::xarray<double>& errors = {1.0, 1.0, 10.0})
      : OnePointModel(rows.communicator(), options), rows_(rows), observed_(observed), errors_(errors) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto y = value(params);
    const auto average = mean(y);                                            // one sum over all rows of all ranks,
    const auto sigma = sqrt(mean(square(y - average)));                      // a second that needs the first,
    const auto tail = sum(sigmoid(4.0 * (abs(y - average) / sigma - 2.0)));  // and a third that needs both
    return ag::stack({average, sigma, tail});
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& statistics) const override {
    return sum(square((statistics.value - observed_) / errors_));
  }

  /// Of each row.
  ag::Expr value(const ag::Expr& params) const { return sinh(params[0] * rows_["x"]) + params[1] * square(rows_["x"]); }

 private:
  ag::Table rows_;
  xt::xarray<double> observed_, errors_;
};

}  // namespace models
