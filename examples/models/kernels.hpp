#pragma once

#include "allgrad/allgrad.hpp"

namespace models {

namespace ag = allgrad;

/// Weighted kernel and Fourier counts of points, as kdescent compares distributions by (Pearl et al. 2024, JOSS):
/// points are shifted, stretched and bent, weighted by a logistic function of y, and counted around 4 centers by
/// Gaussian kernels, and along 3 wave vectors by cosines and sines. The columns are x, y and z; params = (shifts of x,
/// y, z, stretches of x, y, z, shear of y along x).
class Kernels final : public ag::OnePointModel {
 public:
  /// What was observed: counts around the centers [4], and along waves [6] with their variance; or one number for all.
  explicit Kernels(const ag::Table& points, const ag::CompileOptions& options = {},
                   const xt::xarray<double>& near = {8.0}, const xt::xarray<double>& waves = {0.0},
                   double wave_variance = 40.0)
      : OnePointModel(points.communicator(), options),
        points_(points),
        near_(near),
        waves_(waves),
        wave_variance_(wave_variance) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto x = params[0] + params[3] * points_["x"];
    const auto y = params[1] + params[4] * points_["y"] + params[6] * x;
    const auto z = params[2] + params[5] * points_["z"] * exp(-0.1 * square(x));
    const auto positions = ag::stack({x, y, z}, 1);  // [rows, 3]
    const auto weight = expand_dims(sigmoid(y), 1);

    const auto distance2 = sum(square(expand_dims(positions, 1) - centers_), 2);  // [rows, 4]
    const auto phase = matmul(positions, xt::transpose(wave_vectors_));           // [rows, 3]
    return ag::concatenate({sum(weight * exp(-0.5 * distance2 / 0.49), 0), sum(weight * cos(phase), 0),
                            sum(weight * sin(phase), 0)});  // [10]
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& statistics) const override {
    const auto near = view(statistics.value, ag::range(0, 4)), waves = view(statistics.value, ag::range(4, 10));
    return sum(square(near - near_) / (near + 1.0)) + sum(square(waves - waves_)) / wave_variance_;  // a chi-squared
  }

 private:
  ag::Table points_;
  xt::xarray<double> centers_ = {{0.0, 0.0, 0.0}, {0.5, -0.5, 0.2}, {-0.8, 0.3, 0.6}, {0.1, 0.9, -0.7}};
  xt::xarray<double> wave_vectors_ = {{1.0, 0.3, -0.2}, {-0.4, 1.2, 0.5}, {0.2, -0.3, 1.6}};
  xt::xarray<double> near_, waves_;
  double wave_variance_;
};

}  // namespace models
