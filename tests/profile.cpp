// Profiles of losses and asymmetric errors, against closed forms.
#include <cmath>
#include <limits>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "lambda_model.hpp"
#include "world.hpp"

namespace test_profile {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Of rank r there are r + 1 rows with ones: sums over rows, divided by their number, are the values themselves.
ag::Expr over_rows(const ag::Expr& value) {
  const auto size = static_cast<std::size_t>(world().rank() + 1);
  const ag::Table rows("rows", {{"one", xt::xarray<double>(xt::ones<double>({size}))}}, world());
  return mean(expand_dims(rows["one"], 1) * expand_dims(value, 0), 0);
}

/// A Gaussian in three parameters with minimum 5 at (1, 2, -1): its second derivatives are 2 W.
constexpr double w[3][3] = {{4.0, 1.0, 0.5}, {1.0, 3.0, -0.2}, {0.5, -0.2, 2.0}};
const std::vector<double> centre = {1.0, 2.0, -1.0};

LambdaModel gaussian() {
  return LambdaModel([](const ag::Expr& p) { return over_rows(p); },
                     [](const ag::Sumstats& s) {
                       ag::Expr loss = ag::constant(5.0);
                       for (std::size_t i = 0; i < 3; ++i) {
                         for (std::size_t k = 0; k < 3; ++k) {
                           loss = loss + w[i][k] * (s.value[i] - centre[i]) * (s.value[k] - centre[k]);
                         }
                       }
                       return loss;
                     });
}

/// The loss (exp(p) - 1)^2 / 0.04, minimal at 0: it has risen by 1 at log(1 -+ 0.2).
LambdaModel exponential() {
  return LambdaModel([](const ag::Expr& p) { return over_rows(exp(p)); },
                     [](const ag::Sumstats& s) { return sum(square((s.value - 1.0) / 0.2)); });
}

}  // namespace

TEST_CASE("the profile of a Gaussian is the parabola of its marginal error") {
  LambdaModel model = gaussian();
  const auto fit = model.run_trust_region({0.0, 0.0, 0.0}, {.progress = false});
  REQUIRE(fit.success);
  const auto covariance = model.calc_covariance(fit.x, {.errordef = 1.0}).matrix;
  const std::vector<double> values = {1.5, 2.0, -1.0, 4.0, 2.5};
  const auto profile = ag::profile(model, fit, "params[1]", values);
  CHECK(profile.name == "params[1]");
  for (std::size_t i = 0; i < values.size(); ++i) {
    INFO("value " << values[i]);
    const double away = values[i] - 2.0;
    CHECK(profile.success[i]);
    CHECK(profile.values(i) == values[i]);
    CHECK(profile.params(i, 1) == values[i]);
    CHECK(profile.losses(i) == Approx(5.0 + away * away / covariance(1, 1)).epsilon(1e-9));
    for (const std::size_t k : {0U, 2U}) {
      CHECK(profile.params(i, k) == Approx(centre[k] + covariance(k, 1) / covariance(1, 1) * away).epsilon(1e-6));
    }
  }
}

TEST_CASE("asymmetric errors of a Gaussian are its standard errors") {
  LambdaModel model = gaussian();
  const ag::Params params = {{.name = "a"}, {.name = "b", .guess = 3.0, .bounds = {1.9, 9.0}}, {.name = "c"}};
  const auto fit = model.run_trust_region(params, {.progress = false});
  for (const double errordef : {1.0, 4.0}) {
    const auto covariance = model.calc_covariance(fit.x, {.errordef = errordef});
    const auto c = ag::asymmetric_error(model, fit, "c", errordef);
    CHECK(c.lower == Approx(-covariance.errors()(2)).epsilon(1e-3));
    CHECK(c.upper == Approx(covariance.errors()(2)).epsilon(1e-3));
    CHECK(c.str().starts_with("c = -1 -"));
  }
  const auto b = ag::asymmetric_error(model, fit, "b", 1.0, {.params = params});
  CHECK(b.lower == Approx(-0.1).epsilon(1e-9));
  CHECK(b.lower_at_bound);
  CHECK_FALSE(b.upper_at_bound);
  CHECK(b.upper == Approx(model.calc_covariance(fit.x, {.errordef = 1.0}).errors()(1)).epsilon(1e-3));
}

TEST_CASE("asymmetric errors are where the loss crosses errordef") {
  LambdaModel model = exponential();
  const auto fit = model.run_trust_region({0.3}, {.progress = false});
  const auto error = ag::asymmetric_error(model, fit, "params[0]", 1.0);
  CHECK(error.lower == Approx(std::log(0.8)).epsilon(3e-4));
  CHECK(error.upper == Approx(std::log(1.2)).epsilon(3e-4));
  // Downwards, the loss never rises above 25.
  const auto wide = ag::asymmetric_error(model, fit, "params[0]", 100.0);
  CHECK(wide.lower == -infinity);
  CHECK(wide.upper == Approx(std::log(3.0)).epsilon(3e-4));
}

TEST_CASE("impacts on a parameter of a Gaussian are its correlations times its error, the largest first") {
  LambdaModel model = gaussian();
  const ag::Params params = {{.name = "a"}, {.name = "b"}, {.name = "c", .bounds = {.high = -0.5}}};
  const auto fit = model.run_trust_region({0.0, 0.0, -1.5}, {.progress = false});
  const auto covariance = model.calc_covariance(fit.x, {.errordef = 1.0});
  const auto errors = covariance.errors();
  const auto impacts = ag::impacts(model, fit, "a", 1.0, {.params = params});
  REQUIRE(impacts.size() == 2);
  CHECK(impacts[0].name == "b");
  const auto shift = [&](std::size_t other, double away) {
    return covariance.matrix(0, other) / covariance.matrix(other, other) * away;
  };
  CHECK(impacts[0].lower == Approx(shift(1, -errors(1))).epsilon(1e-6));
  CHECK(impacts[0].upper == Approx(shift(1, errors(1))).epsilon(1e-6));
  CHECK(impacts[1].name == "c");
  CHECK(impacts[1].lower == Approx(shift(2, -errors(2))).epsilon(1e-6));
  CHECK(impacts[1].upper == Approx(shift(2, 0.5)).epsilon(1e-6));  // up to the bound
  ag::Params frozen = params;
  frozen[1].frozen = true;
  CHECK(ag::impacts(model, fit, "a", 1.0, {.params = frozen}).size() == 1);
  CHECK_THROWS_AS(ag::impacts(model, fit, "d", 1.0), ag::ArgumentError);
}

TEST_CASE("profiles refuse what they cannot be of") {
  LambdaModel model = gaussian();
  const auto fit = model.run_trust_region({0.0, 0.0, 0.0}, {.progress = false});
  check_error<ag::ArgumentError>({"one of params[0], params[1], params[2], got beta"}, [&](auto& line) {
    line = __LINE__ + 1;
    ag::profile(model, fit, "beta", {1.0});
  });
  const ag::Params params = {{.name = "a", .bounds = {0.0, 3.0}}, {.name = "b", .frozen = true}, {.name = "c"}};
  check_error<ag::ArgumentError>({"values of a within its bounds [0, 3], got 4"}, [&](auto& line) {
    line = __LINE__ + 1;
    ag::profile(model, fit, "a", {1.0, 4.0}, {.params = params});
  });
  check_error<ag::ArgumentError>({"a parameter that is free, got b"}, [&](auto& line) {
    line = __LINE__ + 1;
    ag::profile(model, fit, "b", {1.0}, {.params = params});
  });
  ag::OptimizeResult elsewhere = fit;
  elsewhere.x(0) += 0.5;
  elsewhere.fun = model.calc_loss_from_params(elsewhere.x);
  check_error<ag::ArgumentError>({"asymmetric_error: expected the minimum of the loss"}, [&](auto& line) {
    line = __LINE__ + 1;
    ag::asymmetric_error(model, elsewhere, "params[1]", 1.0);
  });
}

}  // namespace test_profile
