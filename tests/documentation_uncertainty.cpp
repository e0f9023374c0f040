// What docs/uncertainty.md shows: the code between the marks stands there byte for byte, which documentation.py checks,
// and does what the page says.
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <xtensor/xbuilder.hpp>

#include "allgrad/allgrad.hpp"
#include "catch.hpp"
#include "readme_model.hpp"

namespace test_documentation_uncertainty {

namespace ag = allgrad;

TEST_CASE("what the page on uncertainty shows") {
  const ag::Communicator& world = allgrad::testing::world();
  allgrad::testing::LambdaModel model = allgrad::testing::readme_model(world);
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

  const ag::Array data = 1.1 * band.values, data_errors = 0.05 * band.values;
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("allgrad_test_{}", getpid());
  std::filesystem::create_directory(folder);
  std::filesystem::current_path(folder);
  // [shown]
  ag::OptimizeResult kept = fit;
  kept.covariance = covariance;
  kept.profiles.push_back(profile);
  kept.statistics = {{"smf", {.model = band.values, .data = data, .errors = data_errors, .x_label = "bin"}}};
  ag::save(kept, "fit.h5", world);
  // [/shown]
  CHECK(ag::load_optimize_result("fit.h5", world).profiles[0].losses(0) == profile.losses(0));
  std::filesystem::current_path("/");
  std::filesystem::remove_all(folder);
}

}  // namespace test_documentation_uncertainty
