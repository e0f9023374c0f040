// Running products, and integrals by the trapezoidal and by Simpson's rule: values against loops over whole arrays and
// SciPy's numbers, gradients against finite differences, on both executors.
#include <cmath>
#include <xtensor/xview.hpp>

#include "array_values.hpp"
#include "catch.hpp"

namespace test_scans {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Array;
using ag::Expr;

namespace {

std::ptrdiff_t place(std::size_t axis) { return static_cast<std::ptrdiff_t>(axis); }

/// The sum over an axis of weighted elements.
Value weighted(const Expr& expr, const Value& x, std::size_t axis, const std::vector<double>& weights) {
  const auto plain = [=](const Array& a) {
    return plain_sum(generate(shape_of(a), [&](const Lengths& i) { return weights[i[axis]] * element(a, i); }), {axis});
  };
  return apply(expr, plain, x);
}

/// Weights of the trapezoidal rule at some positions.
std::vector<double> trapezoid_weights(const std::vector<double>& x) {
  std::vector<double> weights(x.size());
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    weights[i] += 0.5 * (x[i + 1] - x[i]);
    weights[i + 1] += 0.5 * (x[i + 1] - x[i]);
  }
  return weights;
}

}  // namespace

TEST_CASE("cumprod along every lane axis, from either end") {
  const Inputs in = uneven_inputs();
  for (const Value& x : all_values(in)) {
    for (const std::size_t axis : lane_axes(x)) {
      for (const bool reverse : {false, true}) {
        const auto plain = [=](const Array& a) {
          return generate(shape_of(a), [&](Lengths index) {
            double product = 1.0;
            const std::size_t to = index[axis];
            const std::size_t first = reverse ? to : 0, last = reverse ? a.shape()[axis] - 1 : to;
            for (index[axis] = first; index[axis] <= last; ++index[axis]) product *= element(a, index);
            return product;
          });
        };
        check_nonlinear(in, apply(cumprod(x.expr, place(axis), reverse), plain, x), 1e-7);
      }
    }
  }
  const Expr p = ag::parameters(3);
  for (const ag::ExecutorKind executor : executors) {
    const LossAndGradient at_zero = evaluate_with_gradient(sum(cumprod(p)), p, {2.0, 0.0, 5.0}, self(), executor);
    CHECK(at_zero.loss == 2.0);
    CHECK(at_zero.gradient == std::vector{1.0, 12.0, 0.0});
  }
}

TEST_CASE("trapezoid and cumulative_trapezoid along every lane axis") {
  const Inputs in = uneven_inputs();
  for (const Value& y : all_values(in)) {
    for (const std::size_t axis : lane_axes(y)) {
      const std::size_t n = y.expr.shape()[axis].length;
      std::vector<double> even, odd;
      for (std::size_t i = 0; i < n; ++i) {
        even.push_back(0.3 * static_cast<double>(i));
        odd.push_back(std::sqrt(static_cast<double>(i + 1)));
      }
      const Array positions = xt::adapt(odd, Lengths{n});
      check(in, weighted(trapezoid(y.expr, 0.3, place(axis)), y, axis, trapezoid_weights(even)));
      check(in, weighted(trapezoid(y.expr, positions, place(axis)), y, axis, trapezoid_weights(odd)));
      const auto plain = [=](const Array& a) {
        Lengths shape = shape_of(a);
        --shape[axis];
        return generate(shape, [&](Lengths index) {
          double integral = 0.0;
          const std::size_t last = index[axis];
          for (std::size_t i = 0; i <= last; ++i) {
            Lengths next = index;
            index[axis] = i, next[axis] = i + 1;
            integral += 0.5 * (odd[i + 1] - odd[i]) * (element(a, index) + element(a, next));
          }
          return integral;
        });
      };
      check(in, apply(cumulative_trapezoid(y.expr, positions, place(axis)), plain, y));
    }
  }
  const Value y = in.rows_6(), u = in.column("u");  // positions per row
  const Value x = apply(
      expand_dims(u.expr, 1) + xt::arange<double>(6.0),
      [](const Array& a) { return Array(plain_expand(a, 1) + xt::arange<double>(6.0)); }, u);
  check(in, weighted(trapezoid(y.expr, x.expr), y, 1, trapezoid_weights({0.0, 1.0, 2.0, 3.0, 4.0, 5.0})));
}

TEST_CASE("simpson, with an even and an odd number of points") {
  const Inputs in = uneven_inputs();
  const Value y = in.rows_6(), three = in.two_rows_3(), two = in.matrix();
  check(in, weighted(simpson(three.expr), three, 2, {1.0 / 3.0, 4.0 / 3.0, 1.0 / 3.0}));
  check(in, weighted(simpson(two.expr, 2.0, 0), two, 0, {1.0, 1.0}));
  // The parabola through the last three points of distance 1: the last interval is -1/12, 2/3, 5/12 of them.
  check(in, weighted(simpson(y.expr), y, 1,
                     {1.0 / 3.0, 4.0 / 3.0, 2.0 / 3.0, 4.0 / 3.0 - 1.0 / 12.0, 1.0 / 3.0 + 2.0 / 3.0, 5.0 / 12.0}));
  // Exact for parabolas wherever the points are: of 3 x^2 - 2 x + 1 from 0 to b, b^3 - b^2 + b.
  const xt::xarray<double> x = {0.0, 0.3, 1.0, 1.2, 2.5, 2.6};
  const Expr p = ag::parameters(1);
  for (const std::size_t count : {3U, 4U, 5U, 6U}) {
    const xt::xarray<double> part = xt::view(x, xt::range(0, count));
    const xt::xarray<double> parabola = 3.0 * part * part - 2.0 * part + 1.0;
    const double b = part(count - 1), expected = b * b * b - b * b + b;
    for (const ag::ExecutorKind executor : executors) {
      const double actual = evaluate(simpson(parabola * p[0], part), p, {1.0}, self(), executor)[0];
      CHECK(std::abs(actual - expected) < 1e-13 * std::abs(expected));
    }
  }
}

}  // namespace test_scans
