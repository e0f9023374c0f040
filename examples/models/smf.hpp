#pragma once

#include <cmath>
#include <xtensor/xbuilder.hpp>

#include "allgrad/allgrad.hpp"

namespace models {

namespace ag = allgrad;

/// Stellar mass function of galaxies, one in each halo, with lognormal scatter: galaxies per volume per dex, 10 bins.
/// The column is log_mass; params = (log f, sigma), the mean log10 of stellar mass / halo mass and the scatter in dex.
class Smf final : public ag::OnePointModel {
 public:
  explicit Smf(const ag::Table& halos, const ag::CompileOptions& options = {})
      : OnePointModel(halos.communicator(), options), halos_(halos) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto mean = params[0] + halos_["log_mass"];                               // [rows]
    const auto z = (edges_ - expand_dims(mean, 1)) / (std::sqrt(2.0) * params[1]);  // [rows, 11]
    const auto cdf = 0.5 * (1.0 + erf(z));
    return sum(diff(cdf), 0) / (2000.0 * xt::diff(edges_));  // [10]
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& smf) const override {
    return mean(square(log10(smf.value + 1e-10) - xt::log10(target_)));
  }

 private:
  ag::Table halos_;
  xt::xarray<double> edges_ = xt::linspace(9.0, 10.0, 11);
  xt::xarray<double> target_ = {0.023, 0.017, 0.0116, 0.0071, 0.0037, 0.0017, 0.00063, 0.00019, 4.7e-5, 9.2e-6};
};

}  // namespace models
