// What docs/recipes.md shows: the code between the marks stands there byte for byte, which documentation.py checks, and
// does what the page says.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <vector>
#include <xtensor/xbuilder.hpp>

#include "allgrad/allgrad.hpp"
#include "catch.hpp"
#include "evaluation.hpp"
#include "hdf5_test_file.hpp"
#include "shared_file.hpp"
#include "world.hpp"

namespace test_documentation_recipes {

namespace ag = allgrad;
using allgrad::testing::noise_column;
using allgrad::testing::world;

namespace {

/// This rank's of 60 rows, of which the second rank has none.
std::vector<double> rows_of(std::uint64_t seed, double low, double high) {
  const std::vector<double> all = noise_column(60, seed, low, high);
  const auto [first, last] = allgrad::testing::first_is_empty(60, world().rank(), world().size());
  return {all.begin() + static_cast<std::ptrdiff_t>(first), all.begin() + static_cast<std::ptrdiff_t>(last)};
}

double evaluate(const ag::Expr& value, const ag::Expr& params, const std::vector<double>& at) {
  return allgrad::testing::evaluate(value, params, at, world(), ag::ExecutorKind::tiled)[0];
}

/// The slope by params[i], and whether it is that of finite differences.
bool has_right_gradient(const ag::Expr& loss, const ag::Expr& params, const std::vector<double>& at) {
  const ag::GradientCheck check = check_gradient(loss, params, at, world());
  INFO(check.str());
  CHECK(check.passed);
  return check.passed;
}

}  // namespace

TEST_CASE("recipes: masks and NaN") {
  std::vector<double> fluxes = rows_of(1, -0.5, 2.0), colors = rows_of(2, 0.0, 1.0);
  for (std::size_t row = 0; row < colors.size(); row += 3) colors[row] = std::numeric_limits<double>::quiet_NaN();
  // [shown]
  const ag::Table galaxies("galaxies", {{"flux", fluxes}, {"color", ag::may_be_nan(colors)}}, world());
  const ag::Expr p = ag::parameters(2);

  // A value that is missing: replace it before it is used, and give its row no weight.
  const ag::Expr is_known = !isnan(galaxies["color"]);
  const ag::Expr color = where(is_known, galaxies["color"], 0.0);
  const ag::Expr chi2 = sum(where(is_known, square((color - p[0]) / 0.1), 0.0));

  // A function that is only defined for some rows: give it an operand for which it is, in all of them.
  const ag::Expr is_bright = galaxies["flux"] > 0.0;
  const ag::Expr magnitude = -2.5 * log10(where(is_bright, galaxies["flux"], 1.0)) + p[1];
  const ag::Expr mean_magnitude = sum(where(is_bright, magnitude, 0.0)) / sum(is_bright);
  // [/shown]
  CHECK(has_right_gradient(chi2 + mean_magnitude, p, {0.4, 22.0}));
}

TEST_CASE("recipes: tables from files") {
  const allgrad::testing::SharedText text(
      "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: mass, unit: Msun, datatype: float64}\n"
      "# - {name: redshift, datatype: float64}\n# meta: {box_size: 250.0}\nmass redshift\n1e12 0.4\n2e12 0.6\n3e12 "
      "0.1\n",
      ".ecsv");
  const std::string& file = text.path();
  // [shown]
  const ag::Table halos = ag::Table::read(file, world());  // what it is, its first bytes tell
  const ag::Table near = ag::Table::read(
      file, world(),
      {.columns = {"mass", "redshift"}, .where = [](const ag::Row& row) { return row["redshift"] < 0.5; }});
  const std::string unit = near.unit("mass");                    // "Msun"
  const double box_size = ag::read_attribute(file, "box_size");  // beside the columns
  // [/shown]
  CHECK(halos.total_rows() == 3);
  CHECK(near.total_rows() == 2);
  CHECK(unit == "Msun");
  CHECK(box_size == 250.0);
}

TEST_CASE("recipes: a catalogue larger than memory") {
  const allgrad::testing::SharedFile shared(".h5", [](const std::string& path) {
    allgrad::testing::TestFile source;
    source.write("mass", std::vector{1e12, 1e13, 1e14});
    std::filesystem::copy(source.path(), path);
  });
  const std::string& file = shared.path();
  // [shown]
  const ag::Table halos = ag::Table::read(file, world(), {.columns = {"mass"}, .stream = 1'000'000});
  const ag::Expr p = ag::parameters(1);
  const ag::Expr loss = mean(square(log10(halos["mass"]) - p[0]));
  // [/shown]
  CHECK(std::abs(evaluate(loss, p, {12.0}) - 5.0 / 3.0) < 1e-12);
}

TEST_CASE("recipes: priors, weights and a full covariance") {
  const ag::Table table("rows", {{"x", rows_of(3, 0.0, 1.0)}, {"weight", rows_of(4, 0.5, 2.0)}}, world());
  const ag::Expr p = ag::parameters(2);
  // [shown]
  const ag::Expr x = table["x"], w = table["weight"];
  const ag::Expr weighted_mean = sum(w * x) / sum(w);
  const xt::xarray<double> edges = xt::linspace(0.0, 1.0, 5);
  const ag::Expr counts = soft_histogram(x + p[0], edges, 0.1, w * exp(p[1]));  // [4], totals over all ranks
  // [/shown]
  const xt::xarray<double> observed = {16.0, 17.0, 20.0, 18.0};
  const xt::xarray<double> covariance = 2.0 * xt::eye<double>(4) + 0.5 * xt::ones<double>({4, 4});
  // [shown]
  // -2 log likelihood of Gaussian statistics with a covariance [4, 4], and a Gaussian prior on p[1] of 0 +- 0.3.
  const ag::Expr chi2 = -2.0 * multivariate_normal_logpdf(counts, observed, covariance);
  const ag::Expr loss = chi2 + square(p[1] / 0.3);
  // [/shown]
  CHECK(has_right_gradient(loss + 0.0 * weighted_mean, p, {0.05, -0.1}));
  // [shown]
  // A bound that cannot be crossed, where an optimizer has none: let the parameter be another one.
  const ag::Expr fraction = 1.0 / (1.0 + exp(-p[0]));  // between 0 and 1
  // [/shown]
  CHECK(evaluate(fraction, p, {0.0, 0.0}) == 0.5);
}

TEST_CASE("recipes: several tables") {
  const std::vector<double> masses = rows_of(5, 11.0, 14.0), halo_of = rows_of(6, 0.0, 1.0);
  std::vector<double> magnitudes, indices;
  for (std::size_t i = 0; i < 2 * masses.size(); ++i) {
    magnitudes.push_back(20.0 + halo_of[i / 2]);
    indices.push_back(static_cast<double>(i / 2));
  }
  // [shown]
  const ag::Table halos("halos", {{"log_mass", masses}}, world());
  const ag::Table galaxies("galaxies", {{"magnitude", magnitudes}}, world());  // other rows, as many as you like
  const ag::Expr p = ag::parameters(2);
  const ag::Expr of_halos = sum(square(halos["log_mass"] - p[0]));
  const ag::Expr of_galaxies = sum(square(galaxies["magnitude"] - p[1]));
  const ag::Expr loss = of_halos / halos.count() + of_galaxies / galaxies.count();
  // [/shown]
  CHECK(has_right_gradient(loss, p, {12.0, 20.0}));
}

TEST_CASE("recipes: rows that point to rows of another table") {
  const std::vector<double> masses = noise_column(40, 8, 0.5, 1.5);
  std::vector<double> halo_of;
  for (std::size_t i = 0; i < 70; ++i) halo_of.push_back(std::floor(0.5 * static_cast<double>(i)));
  // [shown]
  const ag::RowShare own = ag::share_of_rows(masses.size(), world());
  const auto first = std::ranges::lower_bound(halo_of, static_cast<double>(own.first));
  const auto last = std::ranges::lower_bound(halo_of, static_cast<double>(own.last));
  const std::vector<double> own_masses(masses.data() + own.first, masses.data() + own.last);
  const ag::Table halos("halos", {{"mass", own_masses}}, world());
  const ag::Table galaxies("galaxies", {{"halo", std::vector(first, last)}}, world());
  const ag::Expr p = ag::parameters(2);
  const ag::Expr luminosity = exp(p[0] * gather(halos["mass"], galaxies["halo"]));    // of each galaxy
  const ag::Expr of_halos = segment_sum(luminosity, galaxies["halo"], halos.rows());  // of each halo
  const ag::Expr loss = sum(square(of_halos - p[1] * halos["mass"])) / halos.count();
  // [/shown]
  CHECK(has_right_gradient(loss, p, {0.4, 2.0}));
  std::vector<double> luminosities(masses.size(), 0.0);
  for (const double halo : halo_of) {
    luminosities[static_cast<std::size_t>(halo)] += std::exp(0.4 * masses[static_cast<std::size_t>(halo)]);
  }
  double expected = 0.0;
  for (std::size_t i = 0; i < masses.size(); ++i) expected += std::pow(luminosities[i] - 2.0 * masses[i], 2) / 40.0;
  CHECK(evaluate(loss, p, {0.4, 2.0}) == Approx(expected).epsilon(1e-12));
}

TEST_CASE("recipes: what is computed once") {
  const std::vector<double> redshifts = rows_of(7, 0.01, 1.0);
  // [shown]
  const ag::Table raw("galaxies", {{"redshift", redshifts}}, world());
  const ag::Table galaxies =
      raw.with_column("log1pz", log(1.0 + raw["redshift"]));             // a column like those that were read
  const ag::Expr distance = store(sqrt(galaxies["redshift"]) * 3000.0);  // or a value, where the model is written
  const ag::Expr p = ag::parameters(1);
  const ag::Expr loss = sum(square(distance - p[0] * galaxies["log1pz"])) / galaxies.count();
  // [/shown]
  CHECK(has_right_gradient(loss, p, {4000.0}));
}

TEST_CASE("recipes: limits per row") {
  std::vector<double> measured = rows_of(8, 0.0, 1.0), is_limit = measured;
  for (double& value : is_limit) value = value > 0.7 ? 1.0 : 0.0;
  // [shown]
  // Rows with is_limit = 1 are known to lie below y alone: what counts is the probability of that.
  const ag::Table table("rows", {{"y", measured}, {"is_limit", is_limit}}, world());
  const ag::Expr p = ag::parameters(2);
  const ag::Expr z = (table["y"] - p[0]) * exp(-p[1]);
  const ag::Expr log_density = -0.5 * square(z) - p[1] - 0.5 * std::log(2.0 * 3.141592653589793);
  const ag::Expr loss = -sum(where(table["is_limit"], log_norm_cdf(z), log_density));
  // [/shown]
  CHECK(has_right_gradient(loss, p, {0.4, -1.0}));
}

TEST_CASE("recipes: other rows for a model that is compiled") {
  const std::vector<double> mock = rows_of(9, 0.0, 1.0), second_mock = rows_of(10, 0.0, 1.0);
  const allgrad::testing::SharedFile hdf5(".h5", [](const std::string& path) {
    allgrad::testing::TestFile source;
    source.write("x", std::vector<double>(3000, 2.0));
    std::filesystem::copy(source.path(), path);
  });
  const std::string& file = hdf5.path();
  // [shown]
  ag::Table table("mock", {{"x", mock}}, world());
  const ag::Expr p = ag::parameters(1);
  ag::CompiledGraph graph = compile(mean(square(table["x"] - p[0])), p, world());
  const auto first = ag::Lbfgsb{}.minimize(graph, {0.0});
  table.assign({{"x", second_mock}});  // as many rows as you like; nothing is compiled again
  const auto second = ag::Lbfgsb{}.minimize(graph, {0.0});

  table.assign(ag::Table::read(file, world(), {.stream = 1'000'000}));  // or those of another table
  const auto third = ag::Lbfgsb{}.minimize(graph, {0.0});
  // [/shown]
  CHECK(third.x(0) == Approx(2.0).epsilon(1e-6));
  CHECK(first.x(0) == Approx(ag::evaluate(mean(ag::Table("a", {{"x", mock}}, world())["x"]), world())()).epsilon(1e-6));
  CHECK(second.x(0) ==
        Approx(ag::evaluate(mean(ag::Table("b", {{"x", second_mock}}, world())["x"]), world())()).epsilon(1e-6));
}

TEST_CASE("recipes: a function of one's own") {
  // [shown]
  const ag::Expr p = ag::parameters(2);
  const ag::Expr area = ag::custom(
      "ellipse", {p}, {},
      {.value = [](const std::vector<ag::Array>& in) { return ag::Array(3.141592653589793 * in[0](0) * in[0](1)); },
       .vjp =
           [](const std::vector<ag::Array>& in, const ag::Array&, const ag::Array& cotangent) {
             const double slope = 3.141592653589793 * cotangent();
             return std::vector<ag::Array>{{slope * in[0](1), slope * in[0](0)}};
           }});
  const ag::GradientCheck check = check_gradient(square(area), p, {1.5, 0.5}, world());
  if (world().is_root()) fmt::print("{}\n", check);  // names the line of a wrong derivative
  // [/shown]
  CHECK(check.passed);
}

}  // namespace test_documentation_recipes
