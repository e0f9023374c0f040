// Covariances, and what is computed from them, against closed forms of a linear Gaussian model: its statistics are
// linear in the parameters, and its loss is a chi-squared.
#include <array>
#include <cmath>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xview.hpp>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "lambda_model.hpp"
#include "world.hpp"

namespace test_uncertainty {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

constexpr std::size_t num_rows = 40;
constexpr std::array sigma = {0.5, 2.0, 1.5, 0.7};
constexpr std::array data = {3.0, -1.0, 2.0, 0.5};

double x_of(std::size_t row) { return 0.05 * static_cast<double>(row) - 0.97; }

/// Rank 0 has no rows where there are several ranks, and the others unequal shares.
ag::Table make_rows() {
  const auto rank = static_cast<std::size_t>(world().rank()), size = static_cast<std::size_t>(world().size());
  std::size_t first = 0, last = num_rows;
  if (size > 1) {
    first = rank == 0 ? 0 : num_rows * (rank - 1) * (rank - 1) / ((size - 1) * (size - 1));
    last = rank == 0 ? 0 : num_rows * rank * rank / ((size - 1) * (size - 1));
  }
  xt::xarray<double> x = xt::zeros<double>({last - first});
  for (std::size_t row = first; row < last; ++row) x(row - first) = x_of(row);
  return ag::Table("rows", {{"x", x}}, world());
}

/// Statistic k is the sum over rows of x^k (p0 + p1 x + p2 x^2): element i of its row in the design matrix is the sum
/// of x^(k + i).
ag::Expr linear_statistics(const ag::Expr& x, const ag::Expr& params) {
  const auto polynomial = params[0] + params[1] * x + params[2] * x * x;
  const auto powers = xt::xarray<double>{0.0, 1.0, 2.0, 3.0};
  return sum(pow(expand_dims(x, 1), powers) * expand_dims(polynomial, 1), 0);
}

using Matrix = std::array<std::array<long double, 3>, 3>;

long double design(std::size_t k, std::size_t i) {
  long double sum = 0.0L;
  for (std::size_t row = 0; row < num_rows; ++row) sum += std::pow(static_cast<long double>(x_of(row)), k + i);
  return sum;
}

/// A^T W A, the Fisher matrix.
Matrix information() {
  Matrix result{};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      for (std::size_t k = 0; k < 4; ++k) {
        result[i][j] += design(k, i) * design(k, j) / (static_cast<long double>(sigma[k]) * sigma[k]);
      }
    }
  }
  return result;
}

/// By cofactors.
Matrix inverse(const Matrix& m) {
  Matrix result{};
  const auto cofactor = [&](std::size_t i, std::size_t j) {
    return m[(i + 1) % 3][(j + 1) % 3] * m[(i + 2) % 3][(j + 2) % 3] -
           m[(i + 1) % 3][(j + 2) % 3] * m[(i + 2) % 3][(j + 1) % 3];
  };
  const long double determinant = m[0][0] * cofactor(0, 0) + m[0][1] * cofactor(0, 1) + m[0][2] * cofactor(0, 2);
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) result[j][i] = cofactor(i, j) / determinant;
  }
  return result;
}

ag::Expr chi_squared(const ag::Sumstats& s) {
  const auto as_array = [](const auto& values) {
    return xt::xarray<double>{values[0], values[1], values[2], values[3]};
  };
  return sum(square((s.value - as_array(data)) / as_array(sigma)));
}

LambdaModel linear_model(double factor = 1.0) {
  const ag::Table rows = make_rows();
  return LambdaModel([rows](const ag::Expr& p) { return linear_statistics(rows["x"], p); },
                     [factor](const ag::Sumstats& s) { return factor * chi_squared(s); });
}

template <class Found>
void check_matrix(const Found& found, const Matrix& expected, double tolerance = 1e-12) {
  REQUIRE(found.shape(0) == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      INFO("element " << i << ", " << j);
      const auto size = std::sqrt(static_cast<double>(expected[i][i] * expected[j][j]));
      CHECK(std::abs(found(i, j) - static_cast<double>(expected[i][j])) <= tolerance * size);
    }
  }
}

const std::vector<double> somewhere = {0.3, -0.2, 0.1};

}  // namespace

TEST_CASE("the covariance of a linear Gaussian model is the inverse of its Fisher matrix") {
  const Matrix expected = inverse(information());
  LambdaModel model = linear_model(), half = linear_model(0.5);
  for (const auto curvature : {ag::Curvature::exact, ag::Curvature::gauss_newton}) {
    check_matrix(model.calc_covariance(somewhere, {.errordef = 1.0, .curvature = curvature}).matrix, expected);
    check_matrix(half.calc_covariance(somewhere, {.errordef = 0.5, .curvature = curvature}).matrix, expected);
  }
  const auto covariance = model.calc_covariance(somewhere, {.errordef = 1.0});
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(covariance.errors()(i) == Approx(std::sqrt(static_cast<double>(expected[i][i]))).epsilon(1e-12));
    CHECK(covariance.correlations()(i, i) == 1.0);
  }
  CHECK(covariance.correlations()(0, 2) ==
        Approx(static_cast<double>(expected[0][2] / std::sqrt(expected[0][0] * expected[2][2]))).epsilon(1e-12));
}

TEST_CASE("there is no covariance without errordef") {
  STATIC_REQUIRE(!std::is_default_constructible_v<ag::Errordef>);
  STATIC_REQUIRE(!std::is_default_constructible_v<ag::CovarianceOptions>);
}

TEST_CASE("frozen parameters have no error, and those on a bound are named") {
  LambdaModel model = linear_model();
  const ag::Params params = {{.name = "a", .frozen = true}, {.name = "b", .bounds = {-0.2, 1.0}}, {.name = "c"}};
  const auto covariance = model.calc_covariance(somewhere, {.errordef = 1.0, .params = params});
  const Matrix f = information();
  const long double determinant = f[1][1] * f[2][2] - f[1][2] * f[1][2];
  check_matrix(covariance.matrix, {{{0, 0, 0},
                                    {0, f[2][2] / determinant, -f[1][2] / determinant},
                                    {0, -f[1][2] / determinant, f[1][1] / determinant}}});
  CHECK(covariance.errors()(0) == 0.0);
  CHECK(covariance.correlations()(0, 0) == 0.0);
  CHECK(covariance.at_bounds == std::vector<std::string>{"b"});
  check_parts(covariance.str(), {"a =          0.3 frozen", "b =         -0.2 +- ", "on a bound", "not a minimum"});
}

TEST_CASE("second derivatives that are not positive definite are refused, with eigenvalues and direction") {
  LambdaModel flat([](const ag::Expr& p) { return p; },
                   [](const ag::Sumstats& s) { return square(s.value[0] + s.value[1]); });
  LambdaModel saddle([](const ag::Expr& p) { return p; },
                     [](const ag::Sumstats& s) { return square(s.value[0]) - 2.0 * square(s.value[1]); });
  check_error<ag::ArgumentError>(
      {"calc_covariance: expected", "positive definite", "0.707 a - 0.707 b"}, [&](auto& line) {
        line = __LINE__ + 1;
        flat.calc_covariance({0.5, 0.5}, {.errordef = 1.0, .params = {{.name = "a"}, {.name = "b"}}});
      });
  check_error<ag::ArgumentError>({"the eigenvalues -4, 2", "along 1 params[1] the loss does not rise"},
                                 [&](auto& line) {
                                   line = __LINE__ + 1;
                                   saddle.calc_covariance({0.5, 0.5}, {.errordef = 1.0});
                                 });
}

TEST_CASE("options of a covariance that cannot be used are refused") {
  LambdaModel model = linear_model();
  check_error<ag::ArgumentError>({"expected a finite number above 0 for errordef, got 0"}, [&](auto& line) {
    line = __LINE__ + 1;
    model.calc_covariance(somewhere, {.errordef = 0.0});
  });
  check_error<ag::ArgumentError>({"expected as many .params as values", "3, got 1"}, [&](auto& line) {
    line = __LINE__ + 1;
    model.calc_covariance(somewhere, {.errordef = 1.0, .params = {{.name = "a"}}});
  });
  check_error<ag::ArgumentError>({"within its bounds [0, 1]"}, [&](auto& line) {
    const ag::Params params = {{.name = "a"}, {.name = "b", .bounds = {0.0, 1.0}}, {.name = "c"}};
    line = __LINE__ + 1;
    model.calc_covariance(somewhere, {.errordef = 1.0, .params = params});
  });
  if (world().size() == 1) return;
  check_error<ag::DivergenceError>({"calc_covariance: expected the same errordef on every rank"}, [&](auto& line) {
    line = __LINE__ + 1;
    model.calc_covariance(somewhere, {.errordef = is_culprit() ? 0.5 : 1.0});
  });
}

TEST_CASE("an error ellipse touches the standard errors, and the loss has risen along it") {
  LambdaModel model = linear_model();
  const auto covariance = model.calc_covariance(somewhere, {.errordef = 1.0});
  for (const double num_sigma : {1.0, 2.5}) {
    const auto ellipse = covariance.error_ellipse(0, 2, num_sigma);
    const auto points = ellipse.points(10001);
    const double a = covariance.matrix(0, 0), b = covariance.matrix(0, 2), c = covariance.matrix(2, 2);
    double widest = 0.0, highest = 0.0;
    for (std::size_t k = 0; k < points.shape(0); ++k) {
      const double u = points(k, 0) - somewhere[0], v = points(k, 1) - somewhere[2];
      widest = std::max(widest, u);
      highest = std::max(highest, v);
      CHECK((c * u * u - 2.0 * b * u * v + a * v * v) / (a * c - b * b) == Approx(num_sigma * num_sigma).epsilon(1e-6));
    }
    CHECK(widest == Approx(num_sigma * covariance.errors()(0)).epsilon(1e-6));
    CHECK(highest == Approx(num_sigma * covariance.errors()(2)).epsilon(1e-6));
    CHECK(ellipse.semi_axes[0] >= ellipse.semi_axes[1]);
    CHECK(points(0, 0) == points(10000, 0));
  }
  check_error<ag::ArgumentError>({"one of params[0], params[1], params[2], got beta"}, [&](auto& line) {
    line = __LINE__ + 1;
    covariance.error_ellipse("params[0]", "beta");
  });
  check_error<ag::ArgumentError>({"numbers 1 and 1"}, [&](auto& line) {
    line = __LINE__ + 1;
    covariance.error_ellipse(1, 1);
  });
}

TEST_CASE("derived quantities have the errors of the delta method") {
  LambdaModel model = linear_model();
  const auto covariance = model.calc_covariance(somewhere, {.errordef = 1.0});
  const auto derived = covariance.propagate([](const ag::Expr& p) { return p[0] * exp(p[1]); });
  const std::array gradient = {std::exp(-0.2), 0.3 * std::exp(-0.2), 0.0};
  double variance = 0.0;
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(derived.jacobian(i) == Approx(gradient[i]).epsilon(1e-14));
    for (std::size_t j = 0; j < 3; ++j) variance += gradient[i] * covariance.matrix(i, j) * gradient[j];
  }
  CHECK(derived.values() == Approx(0.3 * std::exp(-0.2)).epsilon(1e-14));
  CHECK(derived.errors() == Approx(std::sqrt(variance)).epsilon(1e-12));
  CHECK(derived.str().starts_with("0.245619 +- "));

  const ag::Table rows = make_rows();
  const auto statistics = covariance.propagate([&](const ag::Expr& p) { return linear_statistics(rows["x"], p); });
  const Matrix expected = inverse(information());
  for (std::size_t k = 0; k < 4; ++k) {
    long double square = 0.0L;
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) square += design(k, i) * expected[i][j] * design(k, j);
    }
    CHECK(statistics.errors(k) == Approx(std::sqrt(static_cast<double>(square))).epsilon(1e-9));
    CHECK(statistics.covariance(k, k) == Approx(static_cast<double>(square)).epsilon(1e-9));
  }
}

TEST_CASE("a Fisher matrix takes the covariances of the statistics, or their variances") {
  LambdaModel model = linear_model();
  xt::xarray<double> variances = xt::zeros<double>({4}), covariances = xt::zeros<double>({4, 4});
  for (std::size_t k = 0; k < 4; ++k) variances(k) = covariances(k, k) = sigma[k] * sigma[k];
  check_matrix(model.calc_fisher(somewhere, variances), information());
  check_matrix(model.calc_fisher(somewhere, covariances), information());

  // Statistics 0 and 1 with a correlation: their block of C^-1 is [v1, -c; -c, v0] / (v0 v1 - c^2).
  const double c = covariances(0, 1) = covariances(1, 0) = 0.4;
  const double determinant = variances(0) * variances(1) - c * c;
  Matrix expected{};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      expected[i][j] = (variances(1) * design(0, i) * design(0, j) + variances(0) * design(1, i) * design(1, j) -
                        c * (design(0, i) * design(1, j) + design(1, i) * design(0, j))) /
                       determinant;
      for (const std::size_t k : {2U, 3U}) expected[i][j] += design(k, i) * design(k, j) / variances(k);
    }
  }
  check_matrix(model.calc_fisher(somewhere, covariances), expected);

  covariances(0, 1) = covariances(1, 0) = 1.1;
  check_error<ag::ArgumentError>({"calc_fisher: expected covariances that are positive definite"}, [&](auto& line) {
    line = __LINE__ + 1;
    model.calc_fisher(somewhere, covariances);
  });
  covariances(1, 0) = 0.0;
  check_error<ag::ArgumentError>({"a symmetric matrix"}, [&](auto& line) {
    line = __LINE__ + 1;
    model.calc_fisher(somewhere, covariances);
  });
  check_error<ag::ArgumentError>({"covariances [4, 4] or variances [4]", "an array of shape [3]"}, [&](auto& line) {
    line = __LINE__ + 1;
    model.calc_fisher(somewhere, xt::xarray<double>{1.0, 2.0, 3.0});
  });
}

TEST_CASE("the covariance of a group is that of the sum of its losses") {
  LambdaModel first = linear_model(), second = linear_model(3.0);
  ag::OnePointGroup group({first, second});
  Matrix sum = information();
  for (auto& row : sum) {
    for (auto& element : row) element *= 4.0L;
  }
  const auto covariance = group.calc_covariance(somewhere, {.errordef = 1.0});
  check_matrix(covariance.matrix, inverse(sum));
  CHECK(covariance.loss == Approx(4.0 * first.calc_loss_from_params(somewhere)).epsilon(1e-12));
}

TEST_CASE("the Gauss-Newton matrix leaves the second derivatives of statistics out, not those of a prior") {
  const ag::Table rows = make_rows();
  LambdaModel model(
      [rows](const ag::Expr& p) { return sum(exp(expand_dims(p, 0) * expand_dims(rows["x"], 1)), 0); },
      [](const ag::Sumstats& s) { return sum(square(s.value - 50.0)) + sum(exp(s.params * s.value[0])); });
  const std::vector<double> at = {0.2, -0.1, 0.05};
  std::vector<double> gradient(3), hessian(9);
  model.objective(3).value_gradient_and_hessian(at, gradient, hessian, ag::Curvature::gauss_newton);
  // L = sum (s_i - 50)^2 + sum exp(p_i s_0), s_i a function of p_i alone
  std::array<long double, 3> s{}, ds{};
  for (std::size_t row = 0; row < num_rows; ++row) {
    for (std::size_t i = 0; i < 3; ++i) {
      const long double e = std::exp(static_cast<long double>(at[i]) * x_of(row));
      s[i] += e;
      ds[i] += x_of(row) * e;
    }
  }
  const auto by_statistics = model.calc_dloss_dsumstats(at);
  long double by_first = 2.0L * (s[0] - 50.0L);
  for (const double p : at) by_first += p * std::exp(p * s[0]);
  CHECK(by_statistics(0) == Approx(static_cast<double>(by_first)).epsilon(1e-10));
  CHECK(by_statistics(1) == Approx(static_cast<double>(2.0L * (s[1] - 50.0L))).epsilon(1e-10));

  Matrix expected{};
  for (std::size_t m = 0; m < 3; ++m) {  // along (dp, ds) of each exponent u = p_m s_0: u_i u_j e^u + cross terms
    const long double e = std::exp(at[m] * s[0]);
    std::array<long double, 3> du{};
    du[m] += s[0];
    du[0] += at[m] * ds[0];
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) expected[i][j] += e * du[i] * du[j];
    }
    expected[m][0] += e * ds[0];
    expected[0][m] += e * ds[0];
    expected[m][m] += 2.0L * ds[m] * ds[m];
  }
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      INFO("element " << i << ", " << j);
      CHECK(hessian[3 * i + j] == Approx(static_cast<double>(expected[i][j])).epsilon(1e-10));
    }
  }
}

TEST_CASE("the Gauss-Newton matrix of a sum of squares is that of its residuals") {
  const ag::Table rows = make_rows();
  const auto statistics = [rows](const ag::Expr& p) {
    return sum(exp(expand_dims(p, 0) * expand_dims(rows["x"], 1)), 0);
  };
  LambdaModel model(statistics, [](const ag::Sumstats& s) {
    const ag::Expr r = log(s.value) - 3.0, prior = s.params / 0.5;
    return 2.0 * sum(square(r)) + sum(prior * prior);
  });
  const std::vector<double> at = {0.2, -0.1, 0.05};
  for (const bool freeze : {false, true}) {
    std::vector<double> gradient(3), hessian(9);
    const std::vector<bool> frozen = freeze ? std::vector<bool>{false, true, false} : std::vector<bool>{};
    model.objective(3).value_gradient_and_hessian(at, gradient, hessian, ag::Curvature::gauss_newton,
                                                  {.frozen = frozen});
    for (std::size_t i = 0; i < 3; ++i) {
      long double s = 0.0L, ds = 0.0L;
      for (std::size_t row = 0; row < num_rows; ++row) {
        const long double e = std::exp(static_cast<long double>(at[i]) * x_of(row));
        s += e;
        ds += x_of(row) * e;
      }
      const double expected = static_cast<double>(4.0L * ds * ds / (s * s)) + 8.0;
      for (std::size_t j = 0; j < 3; ++j) {
        INFO("element " << i << ", " << j);
        const bool is_zero = i != j || (freeze && i == 1);
        CHECK(hessian[3 * i + j] == Approx(is_zero ? 0.0 : expected).epsilon(1e-10).margin(1e-14));
      }
    }
  }
}

}  // namespace test_uncertainty
