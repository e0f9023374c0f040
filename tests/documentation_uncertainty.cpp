// What docs/uncertainty.md shows: the code between the marks stands there byte for byte, which documentation.py checks,
// and does what the page says.
#include <fmt/format.h>

#include <cmath>
#include <xtensor/xbuilder.hpp>

#include "allgrad/allgrad.hpp"
#include "catch.hpp"
#include "lambda_model.hpp"
#include "reference_models.hpp"
#include "world.hpp"

namespace ag = allgrad;

namespace {

/// The README's.
allgrad::testing::LambdaModel smf_model(const ag::Communicator& world) {
  const auto [first, last] = allgrad::testing::first_is_empty(10000, world.rank(), world.size());
  const xt::xarray<double> row = xt::arange(static_cast<double>(first), static_cast<double>(last));
  const ag::Table halos("halos", {{"log_mass", xt::xarray<double>(10.0 - xt::log10(1.0 - 0.95 * row / 9999.0))}},
                        world);
  const auto statistics = [halos](const ag::Expr& params) {
    const xt::xarray<double> edges = xt::linspace(9.0, 10.0, 11);
    const auto z = (edges - expand_dims(params[0] + halos["log_mass"], 1)) / (std::sqrt(2.0) * pow(10.0, params[1]));
    return sum(diff(0.5 * (1.0 + erf(z))), 0) / (1e5 * xt::diff(edges));
  };
  const auto loss = [](const ag::Sumstats& smf) {
    const xt::xarray<double> observed = {0.0230104, 0.0169668,   0.0115974,   0.00709412,  0.00375973,
                                         0.0016816, 0.000622301, 0.000187821, 4.57581e-05, 8.93181e-06};
    return sum(square((log10(smf.value) - log10(observed)) / 0.05));
  };
  return {statistics, loss, world};
}

}  // namespace

TEST_CASE("what the page on uncertainty shows") {
  const ag::Communicator& world = allgrad::testing::world();
  allgrad::testing::LambdaModel model = smf_model(world);
  // [shown]
  const ag::Params params = {{.name = "log_f", .guess = -1.6, .bounds = {-4, 0}},
                             {.name = "log_sigma", .guess = -0.5, .bounds = {-2, 1}}};
  const auto fit = model.run_trust_region(params);
  const auto covariance = model.calc_covariance(fit.x, {.errordef = 1.0, .params = params});
  if (world.is_root()) fmt::print("{}\n", covariance);
  // [/shown]
  REQUIRE(fit.success);
  CHECK(fit.x(0) == Approx(-2.0).epsilon(1e-5));

  // [shown]
  const auto errors = covariance.errors();                                     // [ndim]
  const auto correlations = covariance.correlations();                         // [ndim, ndim]
  const auto curve = covariance.error_ellipse("log_f", "log_sigma").points();  // [101, 2]
  const auto sigma = covariance.propagate([](const ag::Expr& p) { return pow(10.0, p[1]); });
  if (world.is_root()) fmt::print("sigma = {}\n", sigma);  // sigma = 0.199526 +- 0.0042
  const auto band =
      covariance.propagate([&](const ag::Expr& p) { return model.calc_partial_sumstats_from_params(p).value; });
  // [/shown]
  CHECK(curve.shape(0) == 101);
  CHECK(correlations(0, 1) == correlations(1, 0));
  CHECK(sigma.errors() == Approx(std::log(10.0) * sigma.values() * errors(1)).epsilon(1e-9));
  CHECK(band.values.size() == 10);

  // [shown]
  const xt::xarray<double> variances = xt::square(0.1 * model.calc_sumstats_from_params(fit.x));
  const auto fisher = model.calc_fisher(fit.x, variances);  // [ndim, ndim], from [n] or [n, n]
  // [/shown]
  CHECK(fisher(0, 0) * fisher(1, 1) > fisher(0, 1) * fisher(0, 1));

  // [shown]
  const auto profile = ag::profile(model, fit, "log_sigma", {-0.75, -0.7, -0.65}, {.params = params});
  const auto error = ag::asymmetric_error(model, fit, "log_sigma", 1.0, {.params = params});
  if (world.is_root()) fmt::print("{}\n", error);  // log_sigma = -0.7 -0.0092 +0.00924
  // [/shown]
  CHECK(profile.losses(1) < std::min(profile.losses(0), profile.losses(2)));
  CHECK(error.upper == Approx(errors(1)).epsilon(0.1));
}
