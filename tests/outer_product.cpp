// Sums over rows of products of derivatives, and the covariances that follow from them.
#include "allgrad/outer_product.hpp"

#include <Eigen/Dense>
#include <cmath>
#include <xtensor/xadapt.hpp>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "lambda_model.hpp"
#include "reference_models.hpp"
#include "world.hpp"

namespace test_outer_product {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

using Design = Eigen::Matrix<double, Eigen::Dynamic, 2>;

/// a^T b, without Eigen's products of large matrices, which take seconds to compile.
Eigen::Matrix2d gram(const Design& a, const Design& b) { return a.transpose().lazyProduct(b); }

/// y = a + b x + noise with weights, row by row, of which the first of several ranks has none.
struct Line {
  Line() {
    for (std::size_t row = 0; row < 40; ++row) {
      const double t = static_cast<double>(row);
      x.push_back(std::sin(1.7 * t));
      y.push_back(0.5 - 1.3 * x.back() + 0.3 * std::cos(5.1 * t));
      weight.push_back(1.0 + 0.9 * std::sin(0.37 * t));
    }
    const auto rows = first_is_empty(x.size(), world().rank(), world().size());
    const auto part = [&](const std::vector<double>& all) {
      return std::vector<double>(all.begin() + static_cast<std::ptrdiff_t>(rows.first),
                                 all.begin() + static_cast<std::ptrdiff_t>(rows.second));
    };
    table.emplace("rows", ag::Table::Columns{{"x", part(x)}, {"y", part(y)}, {"w", part(weight)}}, world());
  }

  ag::Expr residuals(const ag::Expr& p) const { return p[0] + p[1] * (*table)["x"] - (*table)["y"]; }

  /// [40, 2]
  Design design() const {
    Design result(x.size(), 2);
    for (std::size_t i = 0; i < x.size(); ++i) result.row(static_cast<Eigen::Index>(i)) << 1.0, x[i];
    return result;
  }
  Eigen::VectorXd residuals_at(double a, double b) const {
    Eigen::VectorXd result(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) result(static_cast<Eigen::Index>(i)) = a + b * x[i] - y[i];
    return result;
  }
  Eigen::VectorXd weights() const {
    return Eigen::Map<const Eigen::VectorXd>(weight.data(), static_cast<Eigen::Index>(weight.size()));
  }

  std::vector<double> x, y, weight;
  std::optional<ag::Table> table;
};

void check_close(const xt::xtensor<double, 2>& found, const Eigen::Matrix2d& expected, double epsilon) {
  for (Eigen::Index i = 0; i < 2; ++i) {
    for (Eigen::Index k = 0; k < 2; ++k) {
      CHECK(found(static_cast<std::size_t>(i), static_cast<std::size_t>(k)) ==
            Approx(expected(i, k)).epsilon(epsilon).margin(epsilon * expected.cwiseAbs().maxCoeff()));
    }
  }
}

}  // namespace

TEST_CASE("outer products of a linear model are those of its design") {
  const Line line;
  const auto found = ag::calc_outer_product([&](const ag::Expr& p) { return line.residuals(p); }, {0.2, -1.0});
  const Design design = line.design();
  const Eigen::VectorXd r = line.residuals_at(0.2, -1.0);
  check_close(found.jtj, gram(design, design), 1e-12);
  const Eigen::Vector2d jtr = design.transpose() * r;
  for (std::size_t i = 0; i < 2; ++i) CHECK(found.jtr(i) == Approx(jtr(static_cast<Eigen::Index>(i))).epsilon(1e-12));
  CHECK(found.rtr == Approx(r.squaredNorm()).epsilon(1e-12));
  check_close(found.calc_covariance(), gram(design, design).inverse(), 1e-12);
}

TEST_CASE("outer products take one message, and derivatives of totals in a row") {
  const Line line;
  // r = (x - mean(x) a)^2 b, of which the mean is a total that all rows see
  const auto rows = [&](const ag::Expr& p) {
    const ag::Expr x = (*line.table)["x"];
    return square(x - p[0] * mean(p[1] * x)) * p[1];
  };
  const double a = 0.7, b = 1.2;
  const auto found = ag::calc_outer_product(rows, {a, b});
  double mean = 0.0;
  for (const double x : line.x) mean += x / 40.0;
  Design design(40, 2);
  double rtr = 0.0;
  for (Eigen::Index i = 0; i < 40; ++i) {
    const double u = line.x[static_cast<std::size_t>(i)] - a * b * mean;
    design.row(i) << -2.0 * u * b * mean * b, u * u - 2.0 * u * a * mean * b;
    rtr += u * u * b * u * u * b;
  }
  check_close(found.jtj, gram(design, design), 1e-11);
  CHECK(found.rtr == Approx(rtr).epsilon(1e-11));
}

TEST_CASE("the Gauss-Newton and the exact covariance of a linear Gaussian model are its closed form") {
  const Line line;
  LambdaModel model([&](const ag::Expr& p) { return sum(square(line.residuals(p))); },
                    [](const ag::Sumstats& s) { return s.value; });
  const Eigen::Matrix2d expected = gram(line.design(), line.design()).inverse();
  const Eigen::Vector2d by_y = line.design().transpose() * Eigen::Map<const Eigen::VectorXd>(line.y.data(), 40);
  const Eigen::Vector2d best = expected * by_y;
  check_close(model.calc_covariance({best(0), best(1)}, {.errordef = 1.0}).matrix, expected, 1e-12);
}

TEST_CASE("the robust covariance of weighted rows is the sandwich") {
  const Line line;
  // White 1982 for weighted least squares: (X^T W X)^-1 (X^T W diag(r^2) W X) (X^T W X)^-1
  const auto row_losses = [&](const ag::Expr& p) { return 0.5 * (*line.table)["w"] * square(line.residuals(p)); };
  LambdaModel model([&](const ag::Expr& p) { return sum(row_losses(p)); },
                    [](const ag::Sumstats& s) { return s.value; });
  const auto json = read_json("sandwich.json");
  const auto best = json.at("best").get<std::vector<double>>();
  const Design design = line.design(), weighted = line.weights().asDiagonal() * design;
  const Eigen::VectorXd r = line.residuals_at(best[0], best[1]);
  const Eigen::Matrix2d bread = gram(design, weighted).inverse();
  const Eigen::Matrix2d meat = gram(weighted, r.cwiseAbs2().asDiagonal() * weighted);
  for (const double errordef : {0.5, 1.0}) {
    const auto robust = model.calc_covariance(best, {.errordef = errordef, .row_losses = row_losses});
    check_close(robust.matrix, bread * meat * bread, 1e-11);
  }
  const auto numbers = json.at("covariance").get<std::vector<double>>();
  const auto robust = model.calc_covariance(best, {.errordef = 0.5, .row_losses = row_losses});
  for (std::size_t i = 0; i < 4; ++i) CHECK(robust.matrix.flat(i) == Approx(numbers[i]).epsilon(1e-11));

  const ag::Params frozen = {{.name = "a", .frozen = true}, {.name = "b"}};
  const auto partial =
      model.calc_covariance(best, {.errordef = 0.5, .params = frozen, .row_losses = row_losses}).matrix;
  const double of_b = 1.0 / gram(design, weighted)(1, 1);
  CHECK(partial(1, 1) == Approx(of_b * meat(1, 1) * of_b).epsilon(1e-11));
  CHECK(partial(0, 0) == 0.0);
}

TEST_CASE("row losses that do not add up to the loss are refused on every rank") {
  const Line line;
  const auto row_losses = [&](const ag::Expr& p) { return 0.5 * (*line.table)["w"] * square(line.residuals(p)); };
  const auto check = [&](double factor, const ag::CovarianceOptions& options) {
    LambdaModel model([&](const ag::Expr& p) { return factor * sum(row_losses(p)); },
                      [](const ag::Sumstats& s) { return s.value + 0.0; });
    check_error<ag::ArgumentError>({"calc_covariance: expected .row_losses that add up to the loss, ", "got a sum of "},
                                   [&](auto& where) {
                                     where = __LINE__ + 1;
                                     model.calc_covariance({0.5, 2.0}, options);
                                   });
  };
  check(1.0 + 1e-6, {.errordef = 0.5, .row_losses = row_losses});
  check(1.0, {.errordef = 0.5, .row_losses = [&](const ag::Expr& p) { return 2.0 * row_losses(p); }});
}

TEST_CASE("outer products need an expression per row that depends on all parameters") {
  const Line line;
  check_error<ag::ExpressionError>({"calc_outer_product: expected an expression per row"}, [&](auto& where) {
    where = __LINE__ + 1;
    ag::calc_outer_product([](const ag::Expr& p) { return p[0]; }, {1.0, 2.0});
  });
  const auto without = ag::calc_outer_product([&](const ag::Expr& p) { return p[0] * (*line.table)["x"]; }, {1.0, 2.0});
  CHECK(without.jtj(1, 1) == 0.0);
  check_error<ag::ArgumentError>({"expected J^T J that is positive definite"}, [&](auto& where) {
    where = __LINE__ + 1;
    without.calc_covariance();
  });
}

}  // namespace test_outer_product
