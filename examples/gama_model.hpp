#pragma once

// The model of 01_gama_smf.cpp and 13_posterior.cpp: stellar masses of galaxies in halos, as the GAMA survey counted
// them.

#include <cmath>
#include <string>
#include <vector>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xview.hpp>

#include "allgrad/allgrad.hpp"
#include "csv.hpp"

namespace example {

namespace ag = allgrad;

inline constexpr double bin_width = 0.2;  // dex
inline constexpr double log10_2 = 0.301029995663981195;

/// The observed stellar mass function: bins by the log10 of their central mass in Msun, phi and its error in
/// 1e-3 / Mpc^3 / dex. Each [bins].
struct Observation {
  explicit Observation(const std::string& file)
      : Observation(xt::xarray<double>(read_csv(file, "log_mstar,phi,error").values)) {}

  xt::xarray<double> log_mstar, phi, error;

 private:
  explicit Observation(const xt::xarray<double>& table)
      : log_mstar(xt::col(table, 0)), phi(xt::col(table, 1)), error(xt::col(table, 2)) {}
};

/// Mean stellar mass of a halo: Moster et al. 2013 (MNRAS 428, 3121), equation 2, with lognormal scatter of sigma dex.
/// Parameters: log_m1, log_eps, beta, gamma, log_sigma.
class GamaModel final : public ag::OnePointModel {
 public:
  /// `number_density`: all halos of the catalogue, per Mpc^3.
  GamaModel(const ag::Table& halos, double number_density, const Observation& observed)
      : OnePointModel(halos.communicator()),
        log_mass_(halos["log_mass"]),
        phi_of_one_(1e3 * number_density / static_cast<double>(halos.total_rows()) / bin_width),
        observed_(observed),
        edges_(xt::linspace(observed.log_mstar.front(), observed.log_mstar.back() + bin_width,
                            observed.log_mstar.size() + 1) -
               0.5 * bin_width) {}

  // [rows] -> [bins]: galaxies in 1e-3 / Mpc^3 / dex
  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto x = log_mass_ - params[0];
    const auto ratio = log10(pow(10.0, -params[2] * x) + pow(10.0, params[3] * x));
    const auto log_mstar = log_mass_ + log10_2 + params[1] - ratio;
    const auto sigma = pow(10.0, params[4]);
    const auto cdf = 0.5 * (1.0 + erf((edges_ - expand_dims(log_mstar, 1)) / (std::sqrt(2.0) * sigma)));
    return phi_of_one_ * diff(sum(cdf, 0));
  }

  // half of chi^2, and a prior on the scatter, which the counts alone hardly constrain
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& phi) const override {
    const auto chi_squared = sum(square((phi.value - observed_.phi) / observed_.error));
    const auto prior = square((phi.params[4] - std::log10(0.15)) / 0.1);
    return 0.5 * chi_squared + 0.5 * prior;
  }

 private:
  ag::Expr log_mass_;
  double phi_of_one_;
  Observation observed_;
  xt::xarray<double> edges_;
};

inline const std::vector<const char*> names = {"log_m1", "log_eps", "beta", "gamma", "log_sigma"};

/// Moster et al. 2013, table 1, at redshift 0.
inline const std::vector<double> published = {11.59, std::log10(0.0351), 1.376, 0.608, std::log10(0.15)};

}  // namespace example
