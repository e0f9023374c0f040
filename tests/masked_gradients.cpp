// A gradient is defined where the value is: what is multiplied by exactly 0 on its way contributes 0, whatever its own
// derivative is; and derivatives of such gradients are not lost.
#include <cmath>
#include <limits>

#include "autodiff/gradient.hpp"
#include "catch.hpp"
#include "evaluation.hpp"

namespace test_masked_gradients {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();

using Loss = std::function<Expr(const Expr& params, const ag::Table& rows)>;

/// Checks value and gradient by both executors and in both modes.
void check(const Loss& loss, const std::vector<double>& at, double value, const std::vector<double>& gradient) {
  const ag::Communicator world = ag::Communicator::world();
  const auto load = [&] {
    const auto range = uneven(4, world.rank(), world.size());
    const auto share = [&](const std::vector<double>& all) {
      return std::vector<double>(all.begin() + static_cast<std::ptrdiff_t>(range.first),
                                 all.begin() + static_cast<std::ptrdiff_t>(range.second));
    };
    return ag::Table::Columns{{"x", share({-4.0, 0.0, 4.0, 9.0})},
                              {"bad", may_be_infinite(may_be_nan(ag::Column(share({nan, 1.0, infinity, 2.0}))))},
                              {"good", share({0.0, 1.0, 0.0, 1.0})}};
  };
  const ag::Table rows("rows", load, world);
  const Expr params = ag::parameters(at.size());
  const Expr written = loss(params, rows);
  for (const ag::ExecutorKind executor : executors) {
    for (const ag::GradientMode mode : {ag::GradientMode::reverse, ag::GradientMode::forward}) {
      INFO(to_string(executor) << (mode == ag::GradientMode::reverse ? ", reverse" : ", forward"));
      const LossAndGradient got = evaluate_with_gradient(written, params, at, world, executor, {}, mode);
      CHECK(got.loss == Approx(value));
      REQUIRE(got.gradient.size() == gradient.size());
      for (std::size_t i = 0; i < gradient.size(); ++i) CHECK(got.gradient[i] == Approx(gradient[i]).margin(1e-14));
    }
  }
}

}  // namespace

TEST_CASE("a branch that is not taken contributes 0") {
  check([](const Expr& p, const ag::Table& t) { return sum(where(t["x"] > 0.0, sqrt(p[0] * t["x"]), 0.0)); }, {1.0},
        5.0, {2.5});
  check([](const Expr& p, const ag::Table& t) { return sum(where(t["x"] > 0.0, pow(t["x"], p[0]), 0.0)); }, {0.5}, 5.0,
        {2.0 * std::log(4.0) + 3.0 * std::log(9.0)});
  check([](const Expr& p, const ag::Table& t) { return sum(where(t["x"] > 0.0, log(p[0] * t["x"]), 0.0)); }, {2.0},
        std::log(144.0), {1.0});
  check([](const Expr& p, const ag::Table& t) { return sum(where(equal(t["x"], 0.0), 0.0, p[0] / (p[0] * t["x"]))); },
        {2.0}, -1.0 / 4.0 + 1.0 / 4.0 + 1.0 / 9.0, {0.0});
  check([](const Expr& p, const ag::Table& t) { return sum(where(t["x"] < 1.0, exp(1e3 * p[0] * t["x"]), 0.0)); },
        {1.0}, 1.0, {0.0});
  check([](const Expr& p, const ag::Table& t) { return sum(where(abs(t["x"]) < 1.0, atanh(p[0] * t["x"]), 0.0)); },
        {1.0}, 0.0, {0.0});
  check([](const Expr& p, const ag::Table&) { return where(p[0] > 0.0, sqrt(p[0]), 0.0) + p[1]; }, {-1.0, 3.0}, 3.0,
        {0.0, 1.0});
  check([](const Expr& p, const ag::Table& t) { return sum(where(p[0] > 0.0, t["x"] / p[0], 1.0)); }, {0.0}, 4.0,
        {0.0});
}

TEST_CASE("rows of NaN and infinity that are masked after use contribute 0") {
  check([](const Expr& p, const ag::Table& t) { return sum(where(t["good"], p[0] * t["bad"], 0.0)); }, {2.0}, 6.0,
        {3.0});
  check([](const Expr& p, const ag::Table& t) { return sum(where(t["good"], sin(p[0] * t["bad"]), 0.0)); }, {2.0},
        std::sin(2.0) + std::sin(4.0), {std::cos(2.0) + 2.0 * std::cos(4.0)});
  check([](const Expr& p, const ag::Table& t) { return sum(where(t["good"], square(t["bad"] - p[0]), 0.0)); }, {2.0},
        1.0, {2.0});
  check(
      [](const Expr& p, const ag::Table& t) {
        return sum(where(expand_dims(t["good"], 1), expand_dims(t["bad"], 1) / (p * p), 0.0) *
                   xt::xtensor<double, 1>{1.0, 2.0});
      },
      {1.0, 2.0}, 4.5, {-6.0, -1.5});
}

TEST_CASE("roots of sums of squares, and what is made of equal numbers") {
  check([](const Expr& p, const ag::Table&) { return square(sqrt(sum(square(p)))); }, {0.0, 0.0}, 0.0, {0.0, 0.0});
  check([](const Expr& p, const ag::Table&) { return sqrt(mean(square(p - mean(p)))); }, {2.0, 2.0, 2.0}, 0.0,
        {0.0, 0.0, 0.0});
  check([](const Expr& p, const ag::Table&) { return stddev(p) + p[0]; }, {2.0, 2.0, 2.0}, 2.0, {1.0, 0.0, 0.0});
  check([](const Expr& p, const ag::Table& t) { return stddev(p[0] + 0.0 * t["x"]) + norm_l2(p - p); }, {2.0}, 0.0,
        {0.0});
  check([](const Expr& p, const ag::Table&) { return hypot(p[0], p[1]); }, {0.0, 0.0}, 0.0, {0.0, 0.0});
  check([](const Expr& p, const ag::Table&) { return xlogy(p[0], p[1]) + p[1]; }, {0.0, 2.0}, 2.0,
        {std::log(2.0), 1.0});
  check([](const Expr& p, const ag::Table&) { return square(p[0]) * log(p[1] * p[0]); }, {1.0, 1.0}, 0.0, {1.0, 1.0});
}

TEST_CASE("extrema and products of matrices whose other elements are not finite") {
  const xt::xtensor<double, 1> steps = xt::arange<double>(-1.0, 3.0);  // -1, 0, 1, 2
  check([&](const Expr& p, const ag::Table&) { return amax(log(p[0] * steps * steps)); }, {1.0}, std::log(4.0), {1.0});
  check([](const Expr& p, const ag::Table& t) { return amax(where(t["good"], log(p[0] * t["bad"]), -1.0)); }, {1.0},
        std::log(2.0), {1.0});
  const xt::xtensor<double, 2> identity = xt::eye<double>(70);
  const xt::xtensor<double, 1> numbers = xt::arange<double>(-1.0, 69.0);
  check(
      [&](const Expr& p, const ag::Table&) {
        return p[0] + sum(where(numbers < -1.0, dot(identity * p[0], log(p[0] * numbers)), 0.0));
      },
      {1.0}, 1.0, {1.0});
}

TEST_CASE("clipped logarithms") {
  const double value = -20.0 + std::log(4.0) + std::log(9.0);
  check(
      [](const Expr& p, const ag::Table& t) { return sum(maximum(log(p[0] * abs(t["x"])), -20.0)) - log(p[0] * 4.0); },
      {1.0}, value, {2.0});
  check([](const Expr& p,
           const ag::Table& t) { return sum(clip(log(p[0] * abs(t["x"])), -20.0, 20.0)) - log(p[0] * 4.0); },
        {1.0}, value, {2.0});
  check(
      [](const Expr& p, const ag::Table& t) {
        return sum(where(isnan(log(t["x"] * p[0])), 0.0, maximum(log(t["x"] * p[0]), -20.0)));
      },
      {1.0}, value, {2.0});
}

TEST_CASE("the Hessian at a perfect fit, where all cotangents are 0") {
  const Expr params = ag::parameters(2);
  const xt::xtensor<double, 1> x{0.5, 1.0, 2.0};
  // Residuals that vanish at (2, 3): sqrt(a x), log(b x), x / b and (a x)^b have derivatives that may be infinite.
  const Expr a = params[0], b = params[1];
  const Expr residuals[] = {sqrt(a * x) - xt::sqrt(2.0 * x), log(b * x) - xt::log(3.0 * x), x / b - x / 3.0,
                            pow(a * x, b) - xt::pow(2.0 * x, 3.0)};
  for (const Expr& residual : residuals) {
    const Expr loss = 0.5 * sum(square(residual));
    for (const ag::ExecutorKind executor : executors) {
      const std::vector<double> at{2.0, 3.0};
      for (std::size_t k = 0; k < 2; ++k) {
        const Expr slope =
            sum(ag::gradient(loss, params) * xt::xtensor<double, 1>{k == 0 ? 1.0 : 0.0, k == 0 ? 0.0 : 1.0});
        const std::vector<double> row = evaluate_with_gradient(slope, params, at, self(), executor).gradient;
        const auto slope_at = [&](std::span<const double> p) {
          return evaluate_with_gradient(loss, params, std::vector<double>(p.begin(), p.end()), self(), executor)
              .gradient[k];
        };
        check_close(numeric_gradient(slope_at, at), row, 1e-8);
      }
    }
  }
}

}  // namespace test_masked_gradients
