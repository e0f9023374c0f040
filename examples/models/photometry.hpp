#pragma once

#include <limits>
#include <xtensor/xbuilder.hpp>

#include "triweight.hpp"

namespace models {

namespace ag = allgrad;

/// The grid of a library of stellar populations, and their magnitudes in some bands on it.
struct StellarLibrary {
  xt::xarray<double> redshift, log_metallicity, log_age;  ///< increasing
  xt::xarray<double> magnitudes;                          ///< [metallicity, age, band, redshift]

  /// A smooth formula in place of a library.
  StellarLibrary(std::size_t redshifts, std::size_t metallicities, std::size_t ages, std::size_t bands)
      : redshift(xt::linspace(0.0, 2.0, redshifts)),
        log_metallicity(xt::linspace(-2.0, 0.5, metallicities)),
        log_age(xt::linspace(-3.0, 1.1, ages)) {
    const auto [met, age, band, z] =
        xt::meshgrid(log_metallicity, log_age, xt::arange(static_cast<double>(bands)), redshift);
    magnitudes = 22.0 + 2.2 * xt::log1p(z) + 0.9 * age + 0.35 * met * (1.0 + 0.2 * band) + 0.4 * xt::cos(band + age) -
                 0.3 * band * z;
  }
};

/// Galaxy magnitudes in the manner of DSPS (Hearin et al. 2023, MNRAS 521, 1741): the light of a galaxy is a table of
/// stellar populations, at its redshift, weighted by age and metallicity. The columns are redshift and log_mstar;
/// params = (mean log age, by mass, its scatter, mean log metallicity, by mass, its scatter). Counts in 6 bins of
/// magnitude, for each band.
class Photometry final : public ag::OnePointModel {
 public:
  /// What was observed are roots of counts [6 bands], whose errors are all the same, or one number for all.
  explicit Photometry(const ag::Table& galaxies, const ag::CompileOptions& options = {},
                      const StellarLibrary& library = {5, 6, 10, 3}, const xt::xarray<double>& root_counts = {1.5})
      : OnePointModel(galaxies.communicator(), options),
        galaxies_(galaxies),
        library_(library),
        root_counts_(root_counts) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto magnitude = expand_dims(magnitudes(params), 2);              // [rows, band, 1]
    return ravel(sum(diff(triweight_cdf((edges_ - magnitude) / 0.3)), 0));  // [bands * 6]
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& counts) const override {
    return mean(square(sqrt(counts.value + 0.1) - root_counts_));
  }

  ag::Expr magnitudes(const ag::Expr& params) const {
    const auto lanes = [](const ag::Expr& x) { return expand_dims(x, 1); };
    const auto mass = galaxies_["log_mstar"], z = galaxies_["redshift"];
    const auto distance = (library_.log_age - lanes(params[0] + params[1] * mass)) / params[2];
    const auto ages = softmax(-0.5 * square(distance), 1);  // [rows, age]

    const auto& grid = library_.log_metallicity;
    xt::xarray<double> edges = xt::full_like(xt::xarray<double>::from_shape({grid.size() + 1}), 10.0);
    edges(0) = -10.0;
    for (std::size_t i = 1; i < grid.size(); ++i) edges(i) = 0.5 * (grid(i - 1) + grid(i));
    const auto metallicities = diff(triweight_cdf((edges - lanes(params[3] + params[4] * mass)) / params[5]));

    const xt::xarray<double> log_flux = -0.4 * (library_.magnitudes - 22.0);  // [metallicity, age, band, redshift]
    const auto fluxes =
        pow(10.0, interp(lanes(lanes(lanes(z))), library_.redshift, log_flux, ag::Outside::extrapolate));
    const auto flux = ag::einsum("im,ia,imab->ib", {metallicities, ages, fluxes});
    return 22.0 - 2.5 * log10(flux) - 2.5 * lanes(mass);
  }

 private:
  ag::Table galaxies_;
  StellarLibrary library_;
  xt::xarray<double> edges_ = xt::linspace(17.0, 27.0, 7), root_counts_;
};

}  // namespace models
