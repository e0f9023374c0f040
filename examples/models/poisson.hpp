#pragma once

#include <xtensor/xbuilder.hpp>

#include "allgrad/allgrad.hpp"

namespace models {

namespace ag = allgrad;

/// Binned Poisson likelihood of a density in two dimensions: simulated points are moved and weighted, and each counts
/// in all of 4 x 3 bins, as much as a logistic kernel of width 0.1 lies in each. The columns are x and y; params =
/// (shift of x, shift of y, log of the stretch of x, log-odds of the weight at x = 0, amplitude of a wave in y).
class Poisson final : public ag::OnePointModel {
 public:
  /// What was observed are counts [12].
  explicit Poisson(const ag::Table& points, const ag::CompileOptions& options = {},
                   const xt::xarray<double>& observed = {3, 8, 4, 7, 21, 9, 6, 19, 8, 2, 9, 3})
      : OnePointModel(points.communicator(), options), points_(points), observed_(observed) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto x = points_["x"] * exp(params[2]) + params[0];
    const auto y = points_["y"] + params[1] + params[4] * sin(points_["x"]);
    const auto weight = softplus(params[3] + 0.5 * x);
    const auto in_x = diff(sigmoid((x_edges_ - expand_dims(x, 1)) / 0.1));  // [rows, 4]
    const auto in_y = diff(sigmoid((y_edges_ - expand_dims(y, 1)) / 0.1));  // [rows, 3]
    return ravel(ag::einsum("i,ia,ib->ab", {weight, in_x, in_y}));          // [12]
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& expected) const override {
    const auto mu = maximum(expected.value, 1e-12);
    return sum(mu - observed_ * log(mu));  // minus the log likelihood, but for a constant
  }

 private:
  ag::Table points_;
  xt::xarray<double> x_edges_ = xt::linspace(-2.0, 2.0, 5), y_edges_ = xt::linspace(-1.5, 1.5, 4);
  xt::xarray<double> observed_;
};

}  // namespace models
