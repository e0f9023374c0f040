#pragma once

// The model of 00_first_fit.cpp, for data that is made from known parameters.

#include <cmath>

#include "example.hpp"

namespace example {

/// The stellar mass function of galaxies, one in each halo. params = (log_f, log_sigma): the mean of log10(stellar mass
/// / halo mass), and the log10 of the scatter about it in dex.
class SmfModel final : public ag::OnePointModel {
 public:
  /// What was observed is what the model gives at `truth`.
  SmfModel(const ag::Table& halos, const ag::Array& truth)
      : OnePointModel(halos.communicator()),
        halos_(halos),
        observed_(ag::evaluate(stellar_mass_function(ag::constant(truth)), halos.communicator())) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    return stellar_mass_function(params);
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& smf) const override {
    constexpr double floor = 1e-10;  // keeps the logarithm of an empty bin finite
    return mean(square(log10(smf.value + floor) - log10(observed_ + floor)));
  }

 private:
  /// Galaxies per Mpc^3 and dex [10], where each halo stands for 10 Mpc^3.
  ag::Expr stellar_mass_function(const ag::Expr& params) const {
    const auto log_mstar = halos_["log_mass"] + params[0];
    const auto sigma = pow(10.0, params[1]);
    const auto cdf = 0.5 * (1.0 + erf((edges_ - expand_dims(log_mstar, 1)) / (std::sqrt(2.0) * sigma)));
    return sum(diff(cdf), 0) / (10.0 * static_cast<double>(halos_.total_rows()) * xt::diff(edges_));
  }

  ag::Table halos_;
  xt::xarray<double> edges_ = xt::linspace(9.0, 10.0, 11);
  ag::Array observed_;
};

}  // namespace example
