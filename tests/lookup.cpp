// Looking up elements at computed positions and adding up there: values against loops over whole arrays, gradients
// against finite differences of these, on both executors and any number of ranks.
#include <cmath>
#include <limits>
#include <xtensor/xview.hpp>

#include "array_values.hpp"
#include "catch.hpp"
#include "world.hpp"

namespace test_lookup {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Array;
using ag::Expr;

namespace {

/// A column of numbers from 0 to 3, [rows].
Value positions(const Inputs& in) {
  const Value u = in.column("u"), v = in.column("v");
  return apply((u.expr > 0.0) + 2.0 * (v.expr > 0.2),
               [](const Array& a, const Array& b) {
                 return generate(shape_of(a),
                                 [&](const Lengths& i) { return (element(a, i) > 0.0) + 2.0 * (element(b, i) > 0.2); });
               },
               u, v);
}

std::size_t at(const Array& index, std::size_t i) { return static_cast<std::size_t>(index(i)); }

/// numpy.interp, at one number.
double plain_interp(double x, const Array& xp, const Array& fp, ag::Outside outside) {
  const std::size_t n = xp.size();
  if (outside == ag::Outside::clamp && x <= xp(0)) return fp(0);
  if (outside == ag::Outside::clamp && x >= xp(n - 1)) return fp(n - 1);
  std::size_t i = 0;
  while (i + 2 < n && x >= xp(i + 1)) ++i;
  return fp(i) + (x - xp(i)) * (fp(i + 1) - fp(i)) / (xp(i + 1) - xp(i));
}

/// The part of a kernel below z widths from its center.
double distribution(double z, ag::SmoothingKernel kernel) {
  if (kernel == ag::SmoothingKernel::gaussian) return 0.5 * std::erfc(-z / std::sqrt(2.0));
  if (kernel == ag::SmoothingKernel::logistic) return 1.0 / (1.0 + std::exp(-z));
  const double t = std::clamp(z / 3.0, -1.0, 1.0);
  return 0.5 + (35.0 * t - 35.0 * std::pow(t, 3) + 21.0 * std::pow(t, 5) - 5.0 * std::pow(t, 7)) / 32.0;
}

constexpr ag::SmoothingKernel smoothing_kernels[] = {ag::SmoothingKernel::gaussian, ag::SmoothingKernel::logistic,
                                                     ag::SmoothingKernel::triweight};

Array plain_row(const Array& x, std::size_t row) { return Array(xt::view(x, row)); }

}  // namespace

TEST_CASE("take from a vector that is the same on all ranks, and from the lanes of each row") {
  const Inputs in = uneven_inputs();
  const Value index = positions(in), p = in.params(), wide = in.rows_6(), six = in.six_rows();
  check(in, apply(
                take(p.expr, index.expr),
                [](const Array& v, const Array& i) {
                  return generate({i.size()}, [&](const Lengths& at_row) { return v(at(i, at_row[0])); });
                },
                p, index));
  check(in, apply(
                take(wide.expr, index.expr),
                [](const Array& v, const Array& i) {
                  return generate({i.size()}, [&](const Lengths& row) { return v(row[0], at(i, row[0])); });
                },
                wide, index));
  check(in, apply(
                take(six.expr, index.expr, 0),
                [](const Array& v, const Array& i) {
                  return generate({i.size()}, [&](const Lengths& row) { return v(at(i, row[0]), row[0]); });
                },
                six, index));
  const xt::xarray<double> fixed = {5.0, 0.0, 5.0, 2.0};  // twice the same
  check(in, apply(
                take(p.expr, fixed),
                [](const Array& v) {
                  return plain_take(v, 0, {5, 0, 5, 2});
                },
                p));
  check(in, apply(
                take(expand(wide, 1).expr, fixed),
                [](const Array& v) {
                  return plain_take(v, 1, {5, 0, 5, 2});
                },
                wide));
  const Value matrix = in.matrix();  // [2, 3] with an index for each row and 1: [rows, 2]
  check(in, apply(
                take(matrix.expr, expand_dims(minimum(index.expr, 2.0), 1)),
                [](const Array& v, const Array& i) {
                  return generate({i.size(), 2},
                                  [&](const Lengths& n) { return v(n[1], std::min<std::size_t>(at(i, n[0]), 2)); });
                },
                matrix, index));
}

TEST_CASE("gather and segment_sum go between replicated arrays and rows") {
  const Inputs in = uneven_inputs();
  const Value index = positions(in), p = in.params(), rows = in.rows(), deep = in.rows_2_2_3();
  check(in, apply(
                gather(p.expr, index.expr),
                [](const Array& v, const Array& i) {
                  return generate({i.size()}, [&](const Lengths& row) { return v(at(i, row[0])); });
                },
                p, index));
  const Value pairs = apply(
      reshape(p.expr, {3, 2}),
      [](const Array& v) {
        return plain_reshape(v, {3, 2});
      },
      p);
  check(in, apply(
                gather(pairs.expr, minimum(index.expr, 2.0)),
                [](const Array& v, const Array& i) {
                  return generate({i.size(), 2},
                                  [&](const Lengths& n) { return v(std::min<std::size_t>(at(i, n[0]), 2), n[1]); });
                },
                pairs, index));
  const auto plain_segments = [](const Array& x, const Array& i) {
    Lengths shape = shape_of(x);
    shape[0] = 5;
    Array sums = xt::zeros<double>(shape);
    for_each_index(shape_of(x), [&](Lengths n) {
      const double number = element(x, n);
      n[0] = at(i, n[0]);
      sums.element(n.begin(), n.end()) += number;
    });
    return sums;
  };
  check(in, apply(segment_sum(rows.expr, index.expr, 5), plain_segments, rows, index));
  check(in, apply(segment_sum(deep.expr, index.expr, 5), plain_segments, deep, index));
  check(in, apply(ag::histogram(index.expr, rows.expr, 5), plain_segments, rows, index));
  const xt::xarray<double> groups = {4.0, 0.0, 4.0, 1.0, 1.0, 1.0};
  check(in, apply(segment_sum(p.expr, groups, 5), plain_segments, p, constant_value(groups)));
  const Value sums = apply(segment_sum(rows.expr, index.expr, 5), plain_segments, rows, index);
  check(in, apply(
                gather(sums.expr, index.expr),
                [](const Array& v, const Array& i) {  // of a total
                  return generate({i.size()}, [&](const Lengths& row) { return v(at(i, row[0])); });
                },
                sums, index));
}

TEST_CASE("positions that are not there give NaN, and are left out of sums") {
  const xt::xarray<double> index = {-1.0, 0.0, 1.5, 3.0, std::nan(""), 1.0};
  const Expr p = ag::parameters(3);
  const std::vector<double> params = {1.0, 2.0, 3.0};
  for (const ag::ExecutorKind executor : executors) {
    const auto taken = evaluate(take(p, index), p, params, self(), executor);
    for (const std::size_t i : {0U, 2U, 3U, 4U}) CHECK(std::isnan(taken[i]));
    CHECK(taken[1] == 1.0);
    CHECK(taken[5] == 2.0);
    const Expr counts = ag::histogram(index, ag::concatenate(p, p), 2);
    CHECK(evaluate(counts, p, params, self(), executor) == std::vector{2.0, 3.0});
    for (const ag::GradientMode mode : {ag::GradientMode::reverse, ag::GradientMode::forward}) {
      CHECK(evaluate_with_gradient(sum(counts * counts), p, params, self(), executor, {}, mode).gradient ==
            std::vector{0.0, 4.0, 6.0});
    }
  }
}

TEST_CASE("searchsorted counts as NumPy does, from either side") {
  const xt::xarray<double> sorted = {-1.0, 0.0, 0.0, 2.0}, x = {-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, std::nan("")};
  const Expr p = ag::parameters(1);
  for (const ag::ExecutorKind executor : executors) {
    CHECK(evaluate(ag::searchsorted(sorted, x * p[0]), p, {1.0}, self(), executor) ==
          std::vector{0.0, 0.0, 1.0, 3.0, 3.0, 4.0, 4.0});
    CHECK(evaluate(ag::searchsorted(sorted, x * p[0], ag::Side::right), p, {1.0}, self(), executor) ==
          std::vector{0.0, 1.0, 3.0, 3.0, 4.0, 4.0, 4.0});
  }
}

TEST_CASE("interp by constants, parameters and values per row, with its gradients by x, xp and fp") {
  const Inputs in = uneven_inputs();
  const xt::xarray<double> xp = {-0.9, -0.5, -0.1, 0.3, 0.8, 1.1}, fp = {1.0, 3.0, 2.0, 5.0, -1.0, 0.5};
  const Value x = in.rows(), p = in.params(), u = in.column("u"), wide = in.rows_6();
  for (const ag::Outside outside : {ag::Outside::clamp, ag::Outside::extrapolate}) {
    check_nonlinear(in, apply(
                            ag::interp(x.expr, xp, fp, outside),
                            [=](const Array& a) {
                              return generate(shape_of(a), [&](const Lengths& i) {
                                return plain_interp(element(a, i), xp, fp, outside);
                              });
                            },
                            x));
    check_nonlinear(in, apply(
                            ag::interp(x.expr, xp, p.expr, outside),
                            [=](const Array& a, const Array& v) {
                              return generate(shape_of(a), [&](const Lengths& i) {
                                return plain_interp(element(a, i), xp, v, outside);
                              });
                            },
                            x, p));
    check_nonlinear(in, apply(
                            ag::interp(x.expr, xp, wide.expr, outside),
                            [=](const Array& a, const Array& v) {
                              return generate(shape_of(a), [&](const Lengths& i) {
                                return plain_interp(element(a, i), xp, plain_row(v, i[0]), outside);
                              });
                            },
                            x, wide));
    const Value moving = apply(
        0.01 * p.expr + xp, [=](const Array& v) { return Array(0.01 * v + xp); }, p);
    check_nonlinear(in, apply(
                            ag::interp(u.expr, moving.expr, fp, outside),
                            [=](const Array& a, const Array& v) {
                              return generate(shape_of(a), [&](const Lengths& i) {
                                return plain_interp(element(a, i), v, fp, outside);
                              });
                            },
                            u, moving));
  }
  const Value inner = apply(
      sin(p.expr), [](const Array& v) { return Array(xt::sin(v)); }, p);  // the same on all ranks
  check_nonlinear(in, apply(
                          ag::interp(inner.expr, xp, p.expr),
                          [=](const Array& a, const Array& v) {
                            return generate(shape_of(a), [&](const Lengths& i) {
                              return plain_interp(element(a, i), xp, v, ag::Outside::clamp);
                            });
                          },
                          inner, p));
  const xt::xarray<double> outside = {-2.0, 0.3, 1.1, 3.0};
  for (const ag::ExecutorKind executor : executors) {
    const std::vector<double> params(6, 1.0);
    const auto values = [&](ag::Outside mode) {
      return evaluate(ag::interp(outside * p.expr[0], xp, fp, mode), in.parameter_vector(), params, self(), executor);
    };
    check_close(std::vector{1.0, 5.0, 0.5, 0.5}, values(ag::Outside::clamp), 1e-15);
    check_close(std::vector{-4.5, 5.0, 0.5, 10.0}, values(ag::Outside::extrapolate), 1e-14);
    CHECK(std::isnan(values(ag::Outside::nan)[0]));
    CHECK(std::isnan(values(ag::Outside::nan)[3]));
    CHECK(std::abs(values(ag::Outside::nan)[2] - 0.5) < 1e-15);
  }
}

TEST_CASE("a soft histogram of rows, by each kernel") {
  const Inputs in = uneven_inputs();
  const xt::xarray<double> edges = {-1.0, -0.2, 0.3, 0.9};
  const Value x = in.rows(), width = in.scalar(), weights = in.column("v");
  for (const auto kernel : smoothing_kernels) {
    const auto plain = [=](const Array& a, const Array& w, const Array& v) {
      Array counts = xt::zeros<double>({3});
      for (std::size_t row = 0; row < a.size(); ++row) {
        const auto below = [&](std::size_t i) { return distribution((edges(i) - a(row)) / w(), kernel); };
        for (std::size_t i = 0; i < 3; ++i) counts(i) += v(row) * (below(i + 1) - below(i));
      }
      return counts;
    };
    check_nonlinear(
        in, apply(ag::soft_histogram(x.expr, edges, width.expr, weights.expr, kernel), plain, x, width, weights));
  }
}

TEST_CASE("soft histograms with open ends hold all of the weight, and their gradients are finite") {
  const Inputs in = uneven_inputs();
  const double infinity = std::numeric_limits<double>::infinity();
  const xt::xarray<double> edges = {-infinity, -0.2, 0.9, infinity};
  const Value x = in.rows(), width = in.scalar(), weights = in.column("v");
  for (const auto kernel : smoothing_kernels) {
    const auto plain = [=](const Array& a, const Array& w, const Array& v) {
      Array counts = xt::zeros<double>({3});
      for (std::size_t row = 0; row < a.size(); ++row) {
        const double low = distribution((-0.2 - a(row)) / w(), kernel),
                     high = distribution((0.9 - a(row)) / w(), kernel);
        counts(0) += v(row) * low;
        counts(1) += v(row) * (high - low);
        counts(2) += v(row) * (1.0 - high);
      }
      return counts;
    };
    check_nonlinear(
        in, apply(ag::soft_histogram(x.expr, edges, width.expr, weights.expr, kernel), plain, x, width, weights));
  }
}

TEST_CASE("soft histograms in several dimensions") {
  const Inputs in = uneven_inputs();
  const std::vector<xt::xarray<double>> edges = {{-1.0, -0.2, 0.3, 0.9}, {-0.5, 0.1, 2.0}, {-1.5, 1.5}};
  const Value x = in.rows(), y = in.column("v"), z = in.six_rows(), width = in.scalar();
  for (const auto kernel : smoothing_kernels) {
    const auto part = [=](std::size_t dimension, std::size_t bin, double at, double wide) {
      const auto& own = edges[dimension];
      return distribution((own(bin + 1) - at) / wide, kernel) - distribution((own(bin) - at) / wide, kernel);
    };
    check_nonlinear(
        in, apply(
                ag::soft_histogram({x.expr, y.expr}, {edges[0], edges[1]}, {width.expr, 0.4}, y.expr, kernel),
                [=](const Array& a, const Array& b, const Array& w) {
                  Array counts = xt::zeros<double>({3, 2});
                  for_each_index({a.size(), 3, 2}, [&](const Lengths& at) {
                    counts(at[1], at[2]) += b(at[0]) * part(0, at[1], a(at[0]), w()) * part(1, at[2], b(at[0]), 0.4);
                  });
                  return counts;
                },
                x, y, width));
    check_nonlinear(in, apply(
                            ag::soft_histogram({x.expr, y.expr, z.expr}, {edges[0], edges[1], edges[2]},
                                               {width.expr, 0.4, 0.7}, 1.0, kernel),
                            [=](const Array& a, const Array& b, const Array& c, const Array& w) {
                              Array counts = xt::zeros<double>({3, 2, 1});
                              for_each_index({6, a.size(), 3, 2}, [&](const Lengths& at) {
                                const std::size_t row = at[1];
                                counts(at[2], at[3], 0) += part(0, at[2], a(row), w()) * part(1, at[3], b(row), 0.4) *
                                                           part(2, 0, c(at[0], row), 0.7);
                              });
                              return counts;
                            },
                            x, y, z, width));
  }
}

TEST_CASE("interp_cubic is SciPy's spline, at rows and at parameters, inside and outside of the points") {
  for (const auto& spline : read_json("cubic_splines.json")) {
    const auto numbers = [&](const char* name) { return spline.at(name).get<std::vector<double>>(); };
    const std::vector<double> xp = numbers("xp"), fp = numbers("fp"), x = numbers("x"), value = numbers("value"),
                              slope = numbers("slope");
    const Expr p = ag::parameters(x.size());
    const ag::Table table = deal("points", {{"x", x}, {"value", value}}, first_is_empty, world());
    for (const ag::ExecutorKind executor : executors) {
      INFO(xp.size() << " points, " << to_string(executor));
      const Expr at_params = interp_cubic(p, xp, fp, ag::Outside::extrapolate);
      check_close(value, evaluate(at_params, p, x, world(), executor), 1e-12);
      check_close(slope, evaluate_with_gradient(sum(at_params), p, x, world(), executor).gradient, 1e-12);
      const Expr difference = interp_cubic(table["x"] * p[0] / x[0], xp, fp, ag::Outside::extrapolate) - table["value"];
      CHECK(evaluate(sum(square(difference)), p, x, world(), executor)[0] < 1e-20);

      std::vector<double> clamped = value, flat = slope;
      std::vector<double> holes = value;
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (x[i] >= xp.front() && x[i] < xp.back()) continue;
        clamped[i] = x[i] < xp.front() ? fp.front() : fp.back();
        flat[i] = 0.0;
        holes[i] = NAN;
      }
      check_close(clamped, evaluate(interp_cubic(p, xp, fp), p, x, world(), executor), 1e-12);
      check_close(flat, evaluate_with_gradient(sum(interp_cubic(p, xp, fp)), p, x, world(), executor).gradient, 1e-12);
      const std::vector<double> with_holes =
          evaluate(interp_cubic(p, xp, fp, ag::Outside::nan), p, x, world(), executor);
      for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::isnan(with_holes[i]) == std::isnan(holes[i]));
    }
  }
  const Expr p = ag::parameters(3);
  const std::vector<double> xp = {0.0, 1.0, 2.0};
  CHECK_THROWS_AS(interp_cubic(p, xp, p), ag::ExpressionError);
  CHECK_THROWS_AS(interp_cubic(p, std::vector{0.0, 2.0, 1.0}, xp), ag::ExpressionError);
  CHECK_THROWS_AS(interp_cubic(p, std::vector{0.0}, std::vector{1.0}), ag::ExpressionError);
}

}  // namespace test_lookup
