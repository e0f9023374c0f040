// The first fit: the stellar mass function of galaxies, one in each of 10,000 halos that are spread over MPI ranks.
#include <fmt/format.h>

#include <cmath>
#include <xtensor/xbuilder.hpp>

#include "allgrad/allgrad.hpp"

namespace ag = allgrad;

class SmfModel final : public ag::OnePointModel {
 public:
  explicit SmfModel(const ag::Table& halos) : OnePointModel(halos.communicator()), halos_(halos) {}

  // Galaxies per volume per dex in 10 bins. The engine sums them over all ranks.
  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto mean = params[0] + halos_["log_mass"];                           // [rows]
    const auto sigma = pow(10.0, params[1]);                                    // []
    const auto z = (edges_ - expand_dims(mean, 1)) / (std::sqrt(2.0) * sigma);  // [rows, 11]
    const auto cdf = 0.5 * (1.0 + erf(z));                                      // [rows, 11]
    return sum(diff(cdf), 0) / (volume_ * xt::diff(edges_));                    // [10]
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& smf) const override {
    return sum(square((log10(smf.value) - log10(observed_)) / 0.05));  // a chi-squared: errors of 0.05 dex
  }

 private:
  ag::Table halos_;
  double volume_ = 1e5;
  xt::xarray<double> edges_ = xt::linspace(9.0, 10.0, 11);
  xt::xarray<double> observed_ = {0.0230104, 0.0169668,   0.0115974,   0.00709412,  0.00375973,
                                  0.0016816, 0.000622301, 0.000187821, 4.57581e-05, 8.93181e-06};
};

int main(int argc, char** argv) {
  return ag::run(argc, argv, [](const ag::Communicator& world) {
    const int rank = world.rank(), size = world.size();  // each rank makes its own rows
    const xt::xarray<double> row = xt::arange(10000 * rank / size, 10000 * (rank + 1) / size);
    const ag::Table halos("halos", {{"log_mass", 10.0 - xt::log10(1.0 - 0.95 * row / 9999.0)}}, world);
    SmfModel model(halos);
    const auto fit = model.run_bfgs({-1.6, -0.5});
    const auto covariance = model.calc_covariance(fit.x, {.errordef = 1.0});  // 1 for a chi-squared
    if (world.is_root()) fmt::print("{}\n\n{}\n", fit, covariance);
  });
}
