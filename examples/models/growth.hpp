#pragma once

#include <cmath>
#include <xtensor/xbuilder.hpp>

#include "triweight.hpp"

namespace models {

namespace ag = allgrad;

/// Galaxies in growing halos, in the manner of Diffmah (Hearin et al. 2021, OJAp 4, 7) and Diffstar (Alarcon et al.
/// 2023, MNRAS 518, 562): a halo grows by a power of time that changes from early to late, stars form with an
/// efficiency that depends on its mass until they are quenched, and the integral over time is the stellar mass today.
/// The columns are log_mass (today), weight and log_tq (of the time of quenching in Gyr); params [12] = (early slope,
/// by mass, late slope, by mass, log time of transition, by mass, log efficiency, log critical mass, slopes below and
/// above, duration of quenching in dex, its depth). 2 x 8 statistics: weighted counts in bins of stellar mass, and of
/// log specific rates.
class Growth final : public ag::OnePointModel {
 public:
  /// What was observed: log10 of the count, and the mean log specific rate, of each bin [8], or one number for all.
  explicit Growth(const ag::Table& halos, const ag::CompileOptions& options = {},
                  const xt::xarray<double>& log_count = {0.7}, const xt::xarray<double>& log_ssfr = {-1.0})
      : OnePointModel(halos.communicator(), options), halos_(halos), log_count_(log_count), log_ssfr_(log_ssfr) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto sfr = star_formation(params);  // [rows, 20]
    const auto log_mstar = log10(1e9 * trapezoid(sfr, times_) + 1.0);
    const auto log_ssfr = log10(1e9 * view(sfr, ag::ellipsis(), -1) + 1.0) - log_mstar;
    const auto in_bins = [&](const ag::Expr& weight) {
      return soft_histogram(log_mstar, edges_, 0.15, weight, ag::SmoothingKernel::triweight);
    };
    return ag::concatenate({in_bins(halos_["weight"]), in_bins(halos_["weight"] * log_ssfr)});
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& statistics) const override {
    const auto count = view(statistics.value, ag::range(0, 8)) + 1e-3, rates = view(statistics.value, ag::range(8, 16));
    return mean(square(log10(count) - log_count_)) + 0.1 * mean(square(rates / count - log_ssfr_));
  }

  /// Stars formed at each time [rows, 20], in 1e9 Msun / Gyr.
  ag::Expr star_formation(const ag::Expr& params) const {
    const auto m0 = expand_dims(halos_["log_mass"], 1);  // [rows, 1]
    const auto at_mass = [&](std::ptrdiff_t k) { return params[k] + params[k + 1] * (m0 - 12.0); };
    const auto early = at_mass(0), late = at_mass(2), log_t = at_mass(4);
    const auto alpha = early + (late - early) * sigmoid(3.5 * (log_times_ - log_t));  // [rows, 20]
    const auto log_mass = m0 + alpha * (log_times_ - std::log10(13.8));
    const auto slope = params[8] + (params[9] - params[8]) * sigmoid(4.0 * (log_mass - params[7]));
    const auto log_efficiency = params[6] + slope * (log_mass - params[7]);
    const auto quench = params[11] * triweight_cdf((log_times_ - expand_dims(halos_["log_tq"], 1)) / params[10]);
    return 0.16 * pow(10.0, log_mass + log_efficiency + quench - 9.0);
  }

 private:
  ag::Table halos_;
  xt::xarray<double> times_ = xt::linspace(0.5, 13.8, 20), log_times_ = xt::log10(times_);
  xt::xarray<double> edges_ = xt::linspace(8.5, 11.7, 9), log_count_, log_ssfr_;
};

}  // namespace models
