#pragma once

#include "allgrad/allgrad.hpp"

namespace models {

namespace ag = allgrad;

/// Halo occupation distribution of Zheng et al. 2007 (ApJ 667, 760), equations 2 and 5: the mean numbers of central and
/// satellite galaxies, in bins of halo mass. The columns are log_mass and weight; params = (log Mmin, sigma of log M,
/// log M0, log M1, alpha), masses as log10.
class Hod final : public ag::OnePointModel {
 public:
  /// What was observed are counts [6], centrals and satellites of each bin, or one number for all.
  explicit Hod(const ag::Table& halos, const ag::CompileOptions& options = {},
               const xt::xarray<double>& observed = {20.0})
      : OnePointModel(halos.communicator(), options), halos_(halos), observed_(observed) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto log_mass = halos_["log_mass"], column = expand_dims(log_mass, 1);
    const auto inside = column >= low_ && column < high_;  // [rows, 3]
    const auto per_bin = [&](const ag::Expr& galaxies) {
      return sum(where(inside, expand_dims(halos_["weight"] * galaxies, 1), 0.0), 0);
    };
    return ag::concatenate({per_bin(centrals(log_mass, params)), per_bin(satellites(log_mass, params))});  // [6]
  }

  /// Mean number of galaxies in the center of a halo, of the shape of log_mass.
  static ag::Expr centrals(const ag::Expr& log_mass, const ag::Expr& params) {
    return 0.5 * (1.0 + erf((log_mass - params[0]) / params[1]));
  }

  /// Mean number of other galaxies; none below M0, where the power has no value.
  static ag::Expr satellites(const ag::Expr& log_mass, const ag::Expr& params) {
    const auto excess = (pow(10.0, log_mass) - pow(10.0, params[2])) / pow(10.0, params[3]);
    const auto above = excess > 0.0;
    return centrals(log_mass, params) * where(above, pow(where(above, excess, 1.0), params[4]), 0.0);
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& counts) const override {
    return sum(square(counts.value - observed_) / (observed_ + counts.value));  // a chi-squared
  }

 private:
  ag::Table halos_;
  xt::xarray<double> low_ = {11.0, 12.0, 13.0}, high_ = {12.0, 13.0, 15.0};
  xt::xarray<double> observed_;
};

}  // namespace models
