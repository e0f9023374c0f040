// Matrices in the last two axes, one for all ranks or one for each row: values against textbook loops over whole
// arrays, gradients in both modes against finite differences of these, Hessians against differences of gradients.
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

#include "array_values.hpp"
#include "catch.hpp"
#include "check_error.hpp"
#include "world.hpp"

namespace test_linear_algebra {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Array;
using ag::Expr;

namespace {

/// A matrix as plain numbers, row by row.
struct Plain {
  std::size_t rows, columns;
  std::vector<double> numbers;
  double& operator()(std::size_t i, std::size_t j) { return numbers[i * columns + j]; }
  double operator()(std::size_t i, std::size_t j) const { return numbers[i * columns + j]; }
};

Plain zeros(std::size_t rows, std::size_t columns) { return {rows, columns, std::vector<double>(rows * columns)}; }

/// The matrix at each place of the axes before the last two.
std::vector<Plain> matrices(const Array& x) {
  const std::size_t ndim = x.dimension(), rows = x.shape()[ndim - 2], columns = x.shape()[ndim - 1];
  std::vector<Plain> result;
  for (auto at = x.begin(); at != x.end(); at += static_cast<std::ptrdiff_t>(rows * columns)) {
    result.push_back({rows, columns, {at, at + static_cast<std::ptrdiff_t>(rows * columns)}});
  }
  return result;
}

/// The results of a function of each matrix of x, one behind the other, behind its other axes.
template <class F>
Array by_matrix(const Array& x, const Lengths& result_shape, F function) {
  Lengths shape(x.shape().begin(), x.shape().end() - 2);
  shape.insert(shape.end(), result_shape.begin(), result_shape.end());
  Array result = Array::from_shape(shape);
  auto to = result.begin();
  for (const Plain& matrix : matrices(x)) to = std::ranges::copy(function(matrix), to).out;
  return result;
}

Plain plain_cholesky(const Plain& a) {
  Plain l = zeros(a.rows, a.rows);
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double rest = a(i, j);
      for (std::size_t k = 0; k < j; ++k) rest -= l(i, k) * l(j, k);
      l(i, j) = i == j ? std::sqrt(rest) : rest / l(j, j);
    }
  }
  return l;
}

/// a^-1 b by Gauss and Jordan, with a small matrix that needs no pivots.
Plain plain_solve(Plain a, Plain b) {
  for (std::size_t k = 0; k < a.rows; ++k) {
    const double pivot = a(k, k);
    for (std::size_t j = 0; j < a.rows; ++j) a(k, j) /= pivot;
    for (std::size_t j = 0; j < b.columns; ++j) b(k, j) /= pivot;
    for (std::size_t i = 0; i < a.rows; ++i) {
      if (i == k) continue;
      const double factor = a(i, k);
      for (std::size_t j = 0; j < a.rows; ++j) a(i, j) -= factor * a(k, j);
      for (std::size_t j = 0; j < b.columns; ++j) b(i, j) -= factor * b(k, j);
    }
  }
  return b;
}

double plain_logdet(const Plain& a) {
  const Plain l = plain_cholesky(a);
  double sum = 0.0;
  for (std::size_t i = 0; i < a.rows; ++i) sum += 2.0 * std::log(l(i, i));
  return sum;
}

/// Eigenvalues by Jacobi's rotations.
std::vector<double> plain_eigenvalues(Plain a) {
  for (int sweep = 0; sweep < 30; ++sweep) {
    for (std::size_t p = 0; p < a.rows; ++p) {
      for (std::size_t q = p + 1; q < a.rows; ++q) {
        const double angle = 0.5 * std::atan2(2.0 * a(p, q), a(q, q) - a(p, p)), c = std::cos(angle),
                     s = std::sin(angle);
        for (std::size_t k = 0; k < a.rows; ++k) {
          const double x = a(k, p), y = a(k, q);
          a(k, p) = c * x - s * y;
          a(k, q) = s * x + c * y;
        }
        for (std::size_t k = 0; k < a.rows; ++k) {
          const double x = a(p, k), y = a(q, k);
          a(p, k) = c * x - s * y;
          a(q, k) = s * x + c * y;
        }
      }
    }
  }
  std::vector<double> values;
  for (std::size_t i = 0; i < a.rows; ++i) values.push_back(a(i, i));
  std::ranges::sort(values);
  return values;
}

Plain triangle_of(Plain a, bool lower) {
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t j = 0; j < a.columns; ++j) {
      if (lower ? j > i : j < i) a(i, j) = 0.0;
    }
  }
  return a;
}

/// x x^T + n * identity, symmetric and positive definite, for matrices [n, m].
Value gram(const Value& x) {
  const std::size_t n = x.expr.shape()[x.expr.ndim() - 2].length;
  const Array shift = static_cast<double>(n) * xt::eye<double>(n);
  return apply(
      matmul(x.expr, swapaxes(x.expr, -1, -2)) + shift,
      [n](const Array& a) {
        return by_matrix(a, {n, n}, [&](const Plain& m) {
          Plain result = zeros(n, n);
          for (std::size_t i = 0; i < n; ++i) {
            for (std::size_t j = 0; j < n; ++j) {
              for (std::size_t k = 0; k < m.columns; ++k) result(i, j) += m(i, k) * m(j, k);
              if (i == j) result(i, j) += static_cast<double>(n);
            }
          }
          return result.numbers;
        });
      },
      x);
}

/// [3, 2] of parameters.
Value tall(const Inputs& in) {
  return apply(
      swapaxes(in.matrix().expr, 0, 1), [](const Array& m) { return Array(xt::transpose(m)); }, in.matrix());
}

/// Matrices [n, n] that are not symmetric, from symmetric ones.
Value skewed(const Value& x) {
  const std::size_t n = x.expr.shape().back().length;
  Array factors = Array::from_shape({n, n});
  for (std::size_t i = 0; i < n * n; ++i) factors.storage()[i] = i % (n + 1) == 0 ? 1.0 : 0.1 * static_cast<double>(i);
  return x * constant_value(factors);
}

/// For all ranks [3, 3], and for each row [rows, 2, 2, 2].
std::vector<Value> symmetric_matrices(const Inputs& in) { return {gram(tall(in)), gram(in.rows_2_2_3())}; }

std::size_t size_of(const Value& a) { return a.expr.shape().back().length; }

template <class F>
Value of_matrices(const Expr& expr, const Value& a, const Lengths& result_shape, F function) {
  return apply(
      expr, [=](const Array& x) { return by_matrix(x, result_shape, function); }, a);
}

}  // namespace

TEST_CASE("cholesky, logdet, inv and eigvalsh of symmetric matrices") {
  const Inputs in = uneven_inputs();
  for (const Value& a : symmetric_matrices(in)) {
    const std::size_t n = size_of(a);
    check_nonlinear(in,
                    of_matrices(cholesky(a.expr), a, {n, n}, [](const Plain& m) { return plain_cholesky(m).numbers; }));
    check_nonlinear(in,
                    of_matrices(logdet(a.expr), a, {}, [](const Plain& m) { return std::vector{plain_logdet(m)}; }));
    check_nonlinear(in, of_matrices(eigvalsh(a.expr), a, {n}, plain_eigenvalues), 1e-7);
    const auto plain_inverse = [n](const Plain& m) {
      Plain identity = zeros(n, n);
      for (std::size_t i = 0; i < n; ++i) identity(i, i) = 1.0;
      return plain_solve(m, identity).numbers;
    };
    check_nonlinear(in, of_matrices(inv(a.expr), a, {n, n}, plain_inverse));
    check_nonlinear(in, of_matrices(inv(skewed(a).expr), skewed(a), {n, n}, plain_inverse));
  }
}

TEST_CASE("solve and solve_triangular, with vectors and matrices on the right, that depend on parameters too") {
  const Inputs in = uneven_inputs();
  const Value m = skewed(gram(tall(in))), right = tall(in), rows = skewed(gram(in.rows_2_2_3()));
  const auto solved = [](auto part) {
    return [part](const Array& a, const Array& b) {
      return by_matrix(a, {a.shape().back(), b.shape().back()}, [&, k = std::size_t{0}](const Plain& x) mutable {
        return plain_solve(part(x), matrices(b)[k++]).numbers;
      });
    };
  };
  const auto whole = solved([](const Plain& x) { return x; });
  const auto lower = solved([](const Plain& x) { return triangle_of(x, true); });
  const auto upper = solved([](const Plain& x) { return triangle_of(x, false); });
  check_nonlinear(in, apply(solve(m.expr, right.expr), whole, m, right));
  check_nonlinear(in, apply(solve_triangular(m.expr, right.expr, true), lower, m, right));
  check_nonlinear(in, apply(solve_triangular(m.expr, right.expr), upper, m, right));
  check_nonlinear(in, apply(solve(rows.expr, in.rows_2_2_3().expr), whole, rows, in.rows_2_2_3()));
  check_nonlinear(in, apply(solve_triangular(rows.expr, in.rows_2_2_3().expr, true), lower, rows, in.rows_2_2_3()));

  const Value single = apply(
      view(in.parameter_vector(), ag::range(0, 3)),
      [](const Array& p) {
        return plain_take(p, 0, {0, 1, 2});
      },
      in.params());
  const auto of_vector = [&](const Array& a, const Array& b) { return plain_squeeze(whole(a, plain_expand(b, 1)), 1); };
  check_nonlinear(in, apply(solve(m.expr, single.expr), of_vector, m, single));

  // One matrix for all rows, a vector for each of them, before or behind the row axis.
  const Value six = apply(
      reshape(gram(in.matrix()).expr, {2, 2}), [](const Array& a) { return a; }, gram(in.matrix()));
  const Value pairs = apply(
      view(in.rows_6().expr, ag::all(), ag::range(0, 2)),
      [](const Array& x) {
        return plain_take(x, 1, {0, 1});
      },
      in.rows_6());
  const auto of_rows = [](const Array& a, const Array& b) {
    return generate(shape_of(b), [&](const Lengths& at) {
      const Plain x = plain_solve(matrices(a)[0], {2, 1, {b(at[0], 0), b(at[0], 1)}});
      return x(at[1], 0);
    });
  };
  check_nonlinear(in, apply(solve(six.expr, pairs.expr), of_rows, six, pairs));
  check_nonlinear(in, apply(solve(six.expr, transpose(pairs.expr)), of_rows, six, pairs));
}

TEST_CASE("solve of a right side that is partial gives the share of the solution") {
  const Inputs in = uneven_inputs();
  const Value total_of_rows = apply(
      sum(in.two_rows_3().expr, 1), [](const Array& x) { return plain_sum(x, {1}); }, in.two_rows_3());
  const Value a = constant_value(Array{{2.0, 0.5}, {-1.0, 3.0}});
  const Expr x = solve(a.expr, total_of_rows.expr);
  CHECK(x.placement() == ag::Placement::partial);
  check_nonlinear(
      in, apply(
              x,
              [](const Array& m, const Array& b) {
                return by_matrix(m, {2, 3}, [&](const Plain& p) { return plain_solve(p, matrices(b)[0]).numbers; });
              },
              a, total_of_rows));
}

TEST_CASE("multivariate_normal_logpdf of parameters and of rows") {
  const Inputs in = uneven_inputs();
  const auto plain_logpdf = [](const std::vector<double>& deviation, const Plain& covariance) {
    const std::size_t n = deviation.size();
    const Plain x = plain_solve(covariance, {n, 1, deviation});
    double squares = 0.0;
    for (std::size_t i = 0; i < n; ++i) squares += deviation[i] * x(i, 0);
    return -0.5 * (squares + plain_logdet(covariance) + static_cast<double>(n) * std::log(2.0 * std::numbers::pi));
  };
  const Value covariance = gram(in.matrix());
  const Value pairs = apply(
      view(in.rows_6().expr, ag::all(), ag::range(0, 2)),
      [](const Array& x) {
        return plain_take(x, 1, {0, 1});
      },
      in.rows_6());
  check_nonlinear(in, apply(
                          multivariate_normal_logpdf(pairs.expr, Array{0.5, -0.25}, covariance.expr),
                          [&](const Array& x, const Array& c) {
                            return generate({x.shape()[0]}, [&](const Lengths& at) {
                              return plain_logpdf({x(at[0], 0) - 0.5, x(at[0], 1) + 0.25}, matrices(c)[0]);
                            });
                          },
                          pairs, covariance));
  // A covariance for each row.
  const Value each = gram(apply(
      reshape(in.rows_6().expr, {-1, 2, 3}),
      [](const Array& x) {
        return plain_reshape(x, {x.shape()[0], 2, 3});
      },
      in.rows_6()));
  check_nonlinear(in, apply(
                          multivariate_normal_logpdf(pairs.expr, 0.0 * pairs.expr, each.expr),
                          [&](const Array& x, const Array& c) {
                            return generate({x.shape()[0]}, [&](const Lengths& at) {
                              return plain_logpdf({x(at[0], 0), x(at[0], 1)}, matrices(c)[at[0]]);
                            });
                          },
                          pairs, each));
}

TEST_CASE("Hessians through matrices are differences of gradients") {
  const Inputs in = uneven_inputs();
  const Expr m = gram(tall(in)).expr, rows = gram(in.rows_2_2_3()).expr, p = in.parameter_vector();
  const Expr right = view(p, ag::range(0, 3)), values = eigvalsh(m);
  const std::vector<std::pair<const char*, Expr>> losses = {
      {"cholesky", sum(square(cholesky(m)) * cholesky(m))},
      {"solve", sum(square(solve(skewed(gram(tall(in))).expr, right)))},
      {"solve_triangular", sum(square(solve_triangular(m, right, true)))},
      {"logdet", square(logdet(m))},
      {"inv", sum(inv(m) * inv(m))},
      {"eigvalsh", sum(values * square(values) * Array{0.5, 1.0, 2.0})},
      {"rows", sum(log(logdet(rows)))},
      {"density", multivariate_normal_logpdf(right, Array{1.0, 0.0, 0.5}, m)},
  };
  const std::vector<double> at = noise_column(Inputs::num_params, 3, 0.5, 1.5);
  for (const auto& [name, loss] : losses) {
    for (const ag::ExecutorKind executor : executors) {
      INFO(name << ", " << to_string(executor));
      ag::CompiledGraph graph = compile(loss, p, in.communicator(), {.executor = executor});
      std::vector<double> gradient(at.size()), hessian(at.size() * at.size()), expected(hessian.size());
      graph.value_gradient_and_hessian(at, gradient, hessian, ag::Curvature::exact);
      for (std::size_t i = 0; i < at.size(); ++i) {
        const std::vector<double> row = numeric_gradient(
            [&](std::span<const double> params) {
              graph.value_and_gradient(params, gradient);
              return gradient[i];
            },
            at);
        std::ranges::copy(row, expected.begin() + static_cast<std::ptrdiff_t>(i * at.size()));
      }
      check_close(expected, hessian, 1e-7);
    }
  }
}

TEST_CASE("equal eigenvalues have finite derivatives") {
  const Inputs in = uneven_inputs();
  const Expr p = in.parameter_vector();
  const Expr a =
      xt::eye<double>(3) * (2.0 + 0.0 * p[0]) + 0.0 * outer(view(p, ag::range(0, 3)), view(p, ag::range(0, 3)));
  const auto [loss, gradient] = evaluate_with_gradient(sum(square(eigvalsh(a))), p, noise_column(6, 3),
                                                       in.communicator(), ag::ExecutorKind::tiled);
  CHECK(loss == 12.0);
  for (const double slope : gradient) CHECK(slope == 0.0);
}

TEST_CASE("a matrix that is not positive definite gives NaN, which is told with its line") {
  const Inputs in = uneven_inputs();
  const Expr p = in.parameter_vector();
  const Expr indefinite = outer(p, p) - 10.0 * Array(xt::eye<double>(6));
  for (const ag::ExecutorKind executor : executors) {
    for (const Expr& value : {cholesky(indefinite), logdet(indefinite)}) {
      for (const double number : evaluate(value, p, noise_column(6, 3), in.communicator(), executor)) {
        CHECK(std::isnan(number));
      }
    }
  }
  ag::CompiledGraph graph = compile(logdet(indefinite), p, in.communicator());
  const int line = __LINE__ - 1;
  const auto found = graph.find_nonfinite(noise_column(6, 3));
  REQUIRE(found);
  CHECK(found->node == "cholesky");
  CHECK(found->where.line == static_cast<unsigned>(line));
}

TEST_CASE("matrices that are masked after use leave gradients and Hessians as if they were not there") {
  // The matrix of a row is w * [[p0, p1], [p1, p2]]: for w < 0 it has no Cholesky factor, for w = 0 no inverse.
  const auto rank = static_cast<double>(world().rank());
  const ag::Table table("table", {{"w", {1.0 + rank, -1.0, 0.5, 0.0}}}, world());
  const Expr p = ag::parameters(3), w = table["w"];
  const Expr matrix = ag::stack({ag::stack({p[0], p[1]}), ag::stack({p[1], p[2]})});
  const Expr good = w > 0.0, each = expand_dims(expand_dims(w, 1), 1) * matrix;
  const Expr safe = expand_dims(expand_dims(where(good, w, 1.0), 1), 1) * matrix;
  const Expr right = view(p, ag::range(0, 2)), lanes = expand_dims(good, 1), sides = expand_dims(lanes, 1);
  const std::vector<std::pair<const char*, std::function<Expr(const Expr&)>>> functions = {
      {"cholesky", [&](const Expr& a) { return sum(where(sides, square(cholesky(a)), 0.0)); }},
      {"logdet", [&](const Expr& a) { return sum(where(good, square(logdet(a)), 0.0)); }},
      {"inv", [&](const Expr& a) { return sum(where(sides, square(inv(a)), 0.0)); }},
      {"solve", [&](const Expr& a) { return sum(where(lanes, square(solve(a, right)), 0.0)); }},
      {"solve_triangular", [&](const Expr& a) { return sum(where(lanes, square(solve_triangular(a, right)), 0.0)); }},
      {"eigvalsh", [&](const Expr& a) { return sum(where(lanes, square(eigvalsh(a / where(sides, 1.0, 0.0))), 0.0)); }},
      {"density",
       [&](const Expr& a) {
         return sum(where(good, ag::multivariate_normal_logpdf(right, Array{0.1, 0.2}, a), 0.0));
       }},
  };
  const std::vector<double> at = {2.0, 0.5, 1.5};
  for (const auto& [name, function] : functions) {
    for (const ag::ExecutorKind executor : executors) {
      INFO(name << ", " << to_string(executor));
      std::vector<std::vector<double>> results;
      for (const Expr& loss : {function(safe), function(each)}) {
        ag::CompiledGraph graph = compile(loss, p, world(), {.executor = executor});
        std::vector<double> result(1 + 3 + 9);
        result[0] = graph.value_gradient_and_hessian(at, std::span(result).subspan(1, 3), std::span(result).subspan(4),
                                                     ag::Curvature::exact);
        results.push_back(result);
        for (const ag::GradientMode mode : {ag::GradientMode::reverse, ag::GradientMode::forward}) {
          const auto by_mode = evaluate_with_gradient(loss, p, at, world(), executor, {}, mode);
          check_close(std::span(results[0]).subspan(1, 3), by_mode.gradient, 1e-12);
        }
      }
      for (const double number : results[0]) CHECK(std::isfinite(number));
      check_close(results[0], results[1], 1e-12);
    }
  }
}

TEST_CASE("a perfect fit through matrices, where all cotangents are 0, has its Hessian") {
  const Inputs in = uneven_inputs();
  const Expr p = in.parameter_vector(), m = gram(tall(in)).expr;
  const std::vector<double> at = noise_column(Inputs::num_params, 3, 0.5, 1.5);
  for (const auto& [name, value] : {std::pair{"cholesky", cholesky(m)}, std::pair{"inv", inv(m)}}) {
    for (const ag::ExecutorKind executor : executors) {
      INFO(name << ", " << to_string(executor));
      const std::vector<double> target = evaluate(value, p, at, in.communicator(), executor);
      ag::CompiledGraph graph = compile(sum(square(value - xt::adapt(target, std::vector<std::size_t>{3, 3}))), p,
                                        in.communicator(), {.executor = executor});
      std::vector<double> gradient(6), hessian(36), expected(36);
      CHECK(graph.value_gradient_and_hessian(at, gradient, hessian, ag::Curvature::exact) == Approx(0.0).margin(1e-20));
      for (std::size_t i = 0; i < 6; ++i) {
        const auto slope = [&](std::span<const double> params) {
          graph.value_and_gradient(params, gradient);
          return gradient[i];
        };
        std::ranges::copy(numeric_gradient(slope, at), expected.begin() + static_cast<std::ptrdiff_t>(i * 6));
      }
      CHECK(largest(expected) > 1e-3);
      check_close(expected, hessian, 1e-7);
    }
  }
}

TEST_CASE("matrices that do not fit are errors that say what was expected") {
  const Inputs in = uneven_inputs();
  const Expr p = in.parameter_vector(), m = in.matrix().expr, two = gram(in.matrix()).expr, u = in.column("u").expr;
#define CHECK_REFUSED(expression, ...)                                  \
  check_error<ag::ExpressionError>({__VA_ARGS__}, [&](unsigned& line) { \
    line = __LINE__;                                                    \
    expression;                                                         \
  })
  CHECK_REFUSED(cholesky(m), "cholesky([2, 3]): expected square matrices in the last two axes, [.., n, n]");
  CHECK_REFUSED(logdet(p), "logdet([6]): expected square matrices");
  CHECK_REFUSED(inv(u), "inv([rows]): expected square matrices");
  CHECK_REFUSED(eigvalsh(expand_dims(u, 1)), "eigvalsh([rows, 1]): expected square matrices");
  CHECK_REFUSED(solve(two, p), "solve([2, 2], [6, 1])", "expected a right side of 2 numbers for each matrix");
  CHECK_REFUSED(solve_triangular(m, p), "solve_triangular([2, 3]): expected square matrices");
  CHECK_REFUSED(multivariate_normal_logpdf(p, p, two), "expected x and mean of shape [.., 2]");
#undef CHECK_REFUSED
}

}  // namespace test_linear_algebra
