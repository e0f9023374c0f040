// What L-BFGS-B has learned of the inverse of the Hessian.
#include <algorithm>
#include <string>
#include <vector>

#include "allgrad/error.hpp"
#include "allgrad/lbfgsb.hpp"
#include "catch.hpp"
#include "optimizer_objectives.hpp"

namespace test_inverse_hessian {

namespace ag = allgrad;

namespace {

constexpr std::size_t n = 4;
using Matrix = std::array<std::array<double, n>, n>;
using Vector = std::array<double, n>;

constexpr Matrix hessian = {{{4.0, 1.0, 0.0, 0.5}, {1.0, 3.0, -0.5, 0.0}, {0.0, -0.5, 7.0, 1.0}, {0.5, 0.0, 1.0, 2.0}}};

double quadratic(std::span<const double> p, std::span<double> gradient) {
  double loss = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    gradient[i] = -1.0;
    for (std::size_t j = 0; j < n; ++j) gradient[i] += hessian[i][j] * p[j];
    loss += 0.5 * p[i] * (gradient[i] - 1.0);
  }
  return loss;
}

double dot(const Vector& a, const Vector& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// (I - r s y') H (I - r y s') + r s s', r = 1 / s'y: Nocedal and Wright 2006, equation 6.17.
Matrix bfgs_update(const Matrix& h, const Vector& s, const Vector& y) {
  const double r = 1.0 / dot(s, y);
  Vector hy{};
  for (std::size_t i = 0; i < n; ++i) hy[i] = dot(h[i], y);
  Matrix updated{};
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      updated[i][j] = h[i][j] - r * (s[i] * hy[j] + hy[i] * s[j]) + (r * r * dot(y, hy) + r) * s[i] * s[j];
    }
  }
  return updated;
}

}  // namespace

TEST_CASE("the inverse Hessian is the product of the BFGS updates by the steps in memory") {
  const std::size_t memory = GENERATE(1U, 3U, 10U);
  Analytic objective(n, quadratic);
  std::vector<Vector> params, gradients;
  const ag::Lbfgsb lbfgsb{.ftol = 0.0, .gtol = 1e-9, .memory = memory, .callback = [&](const ag::Iterate& at) {
                            std::ranges::copy(at.params, params.emplace_back().begin());
                            std::ranges::copy(at.gradient, gradients.emplace_back().begin());
                          }};
  const auto fit = lbfgsb.minimize(objective, {1.0, -2.0, 0.5, 3.0});
  REQUIRE(fit.success);
  REQUIRE(fit.nit > 3);

  std::vector<Vector> s(fit.nit), y(fit.nit);
  for (std::size_t k = 0; k < fit.nit; ++k) {
    for (std::size_t i = 0; i < n; ++i) {
      s[k][i] = params[k + 1][i] - params[k][i];
      y[k][i] = gradients[k + 1][i] - gradients[k][i];
    }
  }
  Matrix expected{};
  for (std::size_t i = 0; i < n; ++i) expected[i][i] = dot(s.back(), y.back()) / dot(y.back(), y.back());
  for (std::size_t k = fit.nit - std::min(memory, fit.nit); k < fit.nit; ++k)
    expected = bfgs_update(expected, s[k], y[k]);

  const auto dense = fit.hess_inv.dense();
  const std::vector<double> vector = {0.5, -1.0, 2.0, 0.25};
  const auto product = fit.hess_inv.dot(vector);
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0.0;
    for (std::size_t j = 0; j < n; ++j) {
      CHECK(dense(i, j) == Approx(expected[i][j]).epsilon(1e-9).margin(1e-12));
      sum += expected[i][j] * vector[j];
    }
    CHECK(product(i) == Approx(sum).epsilon(1e-9).margin(1e-12));
  }
  if (memory < n) return;
  const auto column = fit.hess_inv.dot(std::vector<double>(hessian[0].begin(), hessian[0].end()));
  for (std::size_t i = 0; i < n; ++i) CHECK(column(i) == Approx(i == 0 ? 1.0 : 0.0).margin(0.15));
}

TEST_CASE("before the first step the inverse Hessian is that of a unit bowl in params / scale") {
  Analytic objective(n, quadratic);
  const auto state = ag::Lbfgsb{}.init(
      objective, {{.guess = 0.0, .scale = 2.0}, {.guess = 0.0}, {.guess = 0.0, .frozen = true}, {.guess = 0.0}});
  const auto product = state.result().hess_inv.dot({1.0, 1.0, 1.0, 1.0});
  CHECK((product == xt::xtensor<double, 1>{4.0, 1.0, 0.0, 1.0}));
}

// -x^2 / 2 from 0.5 goes to its bound in one step, by which the gradient falls.
TEST_CASE("a step along which the loss does not curve upwards teaches nothing of the Hessian") {
  Analytic objective(2, [](auto p, auto gradient) {
    gradient[0] = -p[0];
    gradient[1] = 0.0;
    return -0.5 * p[0] * p[0];
  });
  const auto fit = ag::Lbfgsb{.param_bounds = {{0.0, 1.0}, {}}}.minimize(objective, {0.5, 0.0});
  REQUIRE(fit.nit == 1);
  REQUIRE(fit.x(0) == 1.0);
  CHECK((fit.hess_inv.dense() == xt::xtensor<double, 2>{{1.0, 0.0}, {0.0, 1.0}}));
}

TEST_CASE("a vector of the wrong length") {
  Analytic objective(n, quadratic);
  const auto fit = ag::Lbfgsb{}.minimize(objective, {1.0, -2.0, 0.5, 3.0});
  std::string text;
  try {
    fit.hess_inv.dot({1.0, 2.0});
  } catch (const ag::ArgumentError& error) {
    text = error.what();
  }
  CHECK(text.find("InverseHessian: expected a vector of 4 numbers, one for each parameter, got 2.") !=
        std::string::npos);
  CHECK(text.find("inverse_hessian.cpp:") != std::string::npos);
}

}  // namespace test_inverse_hessian
