// Posterior densities as samplers take them.
#include "allgrad/log_density.hpp"

#include <cmath>
#include <limits>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "lambda_model.hpp"
#include "world.hpp"

namespace test_log_density {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

/// 1/2 chi^2 with a minimum of 3 at (1, -2, 0.5), correlated, and not a parabola in the last parameter.
ag::Expr half_chi_squared(const ag::Expr& p) {
  const auto a = p[0] - 1.0, b = p[1] + 2.0, c = p[2] - 0.5;
  return 3.0 + 0.5 * (4.0 * square(a) + 2.0 * a * b + square(b)) + 0.5 * square(c) + 0.1 * square(square(c));
}

LambdaModel make_model(double factor = 1.0) {
  return LambdaModel([](const ag::Expr& p) { return p; },
                     [factor](const ag::Sumstats& s) { return factor * half_chi_squared(s.value); });
}

}  // namespace

TEST_CASE("near the best parameters a log density is that of independent unit normals") {
  for (const double factor : {1.0, 2.0}) {  // half of chi^2 and chi^2
    LambdaModel model = make_model(factor);
    const auto covariance = model.calc_covariance({1.0, -2.0, 0.5}, {.errordef = 0.5 * factor});
    ag::LogDensity density = ag::log_density(model, covariance);
    REQUIRE(density.size() == 3);
    std::vector<double> gradient(3);
    const double at_best = density(std::vector{0.0, 0.0, 0.0}, gradient);
    CHECK(at_best == Approx(-3.0));
    for (const double g : gradient) CHECK(std::abs(g) < 1e-12);
    const std::vector<double> z = {0.7, -1.1, 0.0};
    CHECK(density(z, gradient) - at_best == Approx(-0.5 * (z[0] * z[0] + z[1] * z[1])).epsilon(1e-12));
    for (std::size_t i = 0; i < 3; ++i) CHECK(gradient[i] == Approx(-z[i]).epsilon(1e-9).margin(1e-12));
  }
}

TEST_CASE("whitened parameters and parameters are two names of a point") {
  LambdaModel model = make_model();
  const auto covariance = model.calc_covariance({1.0, -2.0, 0.5}, {.errordef = 0.5});
  ag::LogDensity density = ag::log_density(model, covariance);
  const std::vector<double> z = {0.3, 1.9, -0.8};
  const auto params = density.params(z);
  const auto back = density.whitened(params);
  for (std::size_t i = 0; i < 3; ++i) CHECK(back(i) == Approx(z[i]).epsilon(1e-12));
  std::vector<double> gradient(3), unused(3);
  CHECK(density(z, gradient) == Approx(-model.calc_loss_from_params(params).value));
  constexpr double step = 1e-5;
  for (std::size_t i = 0; i < 3; ++i) {
    auto above = z, below = z;
    above[i] += step;
    below[i] -= step;
    CHECK(gradient[i] == Approx((density(above, unused) - density(below, unused)) / (2.0 * step)).epsilon(1e-7));
  }
}

TEST_CASE("a density is 0 out of bounds and where the loss is not finite, and frozen parameters are not its own") {
  LambdaModel model = make_model();
  const ag::Params params = {{.name = "a", .bounds = {0.0, 2.0}}, {.name = "b", .frozen = true}, {.name = "c"}};
  const auto covariance = model.calc_covariance({1.0, -2.0, 0.5}, {.errordef = 0.5, .params = params});
  ag::LogDensity density = ag::log_density(model, covariance, {.params = params});
  REQUIRE(density.size() == 2);
  std::vector<double> gradient(2, 1.0);
  CHECK(density.params(std::vector{1.0, 0.0})(0) == Approx(1.5));  // a standard error of 1 / sqrt(4)
  CHECK(density.params(std::vector{1.0, 0.0})(1) == -2.0);
  CHECK(density(std::vector{2.1, 0.0}, gradient) == -std::numeric_limits<double>::infinity());
  CHECK(gradient == std::vector<double>{0.0, 0.0});
  CHECK(density(std::vector{1.9, 0.0}, gradient) == Approx(-3.0 - 0.5 * 1.9 * 1.9));

  LambdaModel walled([](const ag::Expr& p) { return p; },
                     [](const ag::Sumstats& s) { return s.value[0] - log(s.value[0]); });
  ag::LogDensity behind = ag::log_density(walled, walled.calc_covariance({1.0}, {.errordef = 0.5}));
  std::vector<double> one(1);
  CHECK(behind(std::vector{-1.5}, one) == -std::numeric_limits<double>::infinity());
}

TEST_CASE("a log density that cannot be used is refused") {
  LambdaModel model = make_model();
  const auto covariance = model.calc_covariance({1.0, -2.0, 0.5}, {.errordef = 0.5});
  ag::LogDensity density = ag::log_density(model, covariance);
  std::vector<double> gradient(2);
  CHECK_THROWS_AS(density(std::vector{0.0, 0.0}, gradient), ag::ArgumentError);
  CHECK_THROWS_AS(density.whitened({1.0}), ag::ArgumentError);
  check_error<ag::ArgumentError>({"log_density: expected as many .params as the covariances have, 3, got 1"},
                                 [&](auto& line) {
                                   line = __LINE__ + 1;
                                   ag::log_density(model, covariance, {.params = {{.name = "a"}}});
                                 });
}

}  // namespace test_log_density
