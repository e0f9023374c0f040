// Parameters by their names: in the model, in results, in covariances; models in a vector.
#include <sstream>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "evaluation.hpp"
#include "world.hpp"

namespace test_names {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

/// A line through points, whose parameters are declared: the offset is bounded, and the noise frozen.
class Line final : public ag::OnePointModel {
 public:
  explicit Line(ag::Table table, ag::Params declared = default_params())
      : ag::OnePointModel(table.communicator()), table_(std::move(table)), declared_(std::move(declared)) {}

  static ag::Params default_params() {
    return {{.name = "slope", .guess = 0.5, .bounds = {.low = 0.1}},
            {.name = "offset", .guess = 0.2, .bounds = {-1, 0.3}},
            {.name = "log_noise", .guess = -1.0, .frozen = true}};
  }

  ag::Params params() const override { return declared_; }

  mutable unsigned residual_line = 0;  ///< on which the parameters are looked up

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& p) const override {
    residual_line = __LINE__ + 1;
    const ag::Expr residual = table_["y"] - (p["slope"] * table_["x"] + p["offset"]);
    return sum(square(residual / exp(p["log_noise"])));
  }
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& chi2) const override { return chi2.value; }

 private:
  ag::Table table_;
  ag::Params declared_;
};

ag::Table points(double slope, double offset) {
  const std::vector<double> all = noise_column(30, 1, 0.0, 2.0);
  const auto [first, last] = first_is_empty(all.size(), world().rank(), world().size());
  std::vector<double> x(all.begin() + static_cast<std::ptrdiff_t>(first),
                        all.begin() + static_cast<std::ptrdiff_t>(last));
  std::vector<double> y;
  for (const double value : x) y.push_back(slope * value + offset);
  return ag::Table("points", {{"x", x}, {"y", y}}, world());
}

}  // namespace

TEST_CASE("parameters are used and looked up by the names that the model declares") {
  Line model(points(1.5, 0.25));
  const auto fit = model.run_bfgs(model.params());
  CHECK(fit.names == std::vector<std::string>{"slope", "offset", "log_noise"});
  CHECK(fit["slope"] == Approx(1.5).epsilon(1e-4));
  CHECK(fit["offset"] == Approx(0.25).epsilon(1e-3));
  CHECK(fit["log_noise"] == -1.0);
  check_error<ag::ArgumentError>({"one of slope, offset, log_noise, got slop"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    fit["slop"];
  });
  const auto covariance = model.calc_covariance(fit.x, {.errordef = 1.0});
  CHECK(covariance.names == fit.names);
  CHECK(covariance.error("slope") > 0.0);
  CHECK(covariance.error("log_noise") == 0.0);
  const auto sum_of_both = covariance.propagate([&](const ag::Expr& p) { return p[0] + p[1]; });
  CHECK(sum_of_both.values() == Approx(1.75).epsilon(1e-4));
}

TEST_CASE("a run from plain numbers keeps the declared bounds, and what is frozen") {
  Line model(points(1.5, 0.8));
  const auto fit = model.run_bfgs({0.7, 0.1, -2.0});
  CHECK(fit["offset"] == 0.3);
  CHECK(fit.at_bounds == std::vector<std::string>{"offset"});
  CHECK(fit["log_noise"] == -2.0);
  const auto path = model.run_adam({0.7, 0.1, -2.0}, {.nsteps = 3});
  CHECK(path.names == fit.names);
  CHECK(model.calc_loss_from_params({1.5, 0.8, 0.0}) == Approx(0.0).margin(1e-20));
}

TEST_CASE("what follows a fit keeps the declared bounds, too") {
  Line model(points(1.5, 0.25));
  const auto fit = model.run_trust_region(model.params(), {.progress = false});
  const auto offset = ag::asymmetric_error(model, fit, "offset", 1.0);
  CHECK(offset.upper_at_bound);
  CHECK(offset.upper == Approx(0.05).epsilon(1e-4));
  CHECK_FALSE(offset.lower_at_bound);
  CHECK_THROWS_AS(ag::profile(model, fit, "log_noise", {-1.5}), ag::ArgumentError);  // it is frozen

  ag::LogDensity density = ag::log_density(model, model.calc_covariance(fit.x, {.errordef = 1.0}));
  std::vector<double> gradient(2);
  CHECK(std::isfinite(density(density.whitened({1.5, 0.29, -1.0}), gradient)));
  CHECK(density(density.whitened({1.5, 0.31, -1.0}), gradient) == -std::numeric_limits<double>::infinity());
}

TEST_CASE("names that are not there, two of one, and other numbers of parameters") {
  Line unknown(points(1.0, 0.0), {{.name = "slope"}, {.name = "intercept"}, {.name = "log_noise"}});
  check_error<ag::ExpressionError>(
      {"there is no parameter \"offset\"; there are [\"slope\", \"intercept\", \"log_noise\"]"}, [&](unsigned& line) {
        try {
          unknown.calc_loss_from_params({1.0, 0.0, 0.0});
        } catch (const ag::ExpressionError&) {
          line = unknown.residual_line;
          throw;
        }
      });
  Line unnamed(points(1.0, 0.0), {});
  CHECK_THROWS_AS(unnamed.calc_loss_from_params({1.0, 0.0, 0.0}), ag::ExpressionError);
  Line twice(points(1.0, 0.0), {{.name = "slope"}, {.name = "slope"}});
  CHECK_THROWS_AS(twice.calc_loss_from_params({1.0, 0.0}), ag::ArgumentError);
  Line model(points(1.0, 0.0));
  check_error<ag::ArgumentError>({"expected 3 parameters, as the model declares in params(), got 2"},
                                 [&](unsigned& line) {
                                   line = __LINE__ + 1;
                                   model.calc_loss_from_params({1.0, 0.0});
                                 });
}

TEST_CASE("parameters are frozen by the beginning of their names") {
  const ag::Params frozen = freeze(Line::default_params(), "o");
  CHECK((!frozen[0].frozen && frozen[1].frozen && frozen[2].frozen));
  CHECK_THROWS_AS(freeze(Line::default_params(), "bias_"), ag::ArgumentError);
}

TEST_CASE("models in a vector") {
  std::vector<Line> models;
  for (const double slope : {1.0, 2.0, 3.0}) models.emplace_back(points(slope, 0.0));
  for (std::size_t i = 0; i < models.size(); ++i) {
    CHECK(models[i].run_bfgs({0.5, 0.0, 0.0})["slope"] == Approx(1.0 + static_cast<double>(i)).epsilon(1e-4));
  }
}

TEST_CASE("what prints by fmt prints to streams too") {
  const ag::Table table = points(1.0, 0.0);
  std::ostringstream out;
  const ag::Expr x = table["x"] * 2.0;
  out << table << '\n' << x << '\n' << ag::Param{.name = "a", .guess = 1.5, .bounds = {.low = 0}, .frozen = true};
  const int size = world().size();
  CHECK(out.str().starts_with(fmt::format(
      "points: 30 rows on {} rank{}, columns x, y\nmultiply [rows] per_row (names.cpp:", size, size == 1 ? "" : "s")));
  CHECK(out.str().ends_with(")\na = 1.5 in [0, ], frozen"));
  CHECK(fmt::format("{}", x) == x.str());
}

TEST_CASE("explain tells what an evaluation does, the same on every rank") {
  const ag::Table table = points(1.5, 0.25);
  const ag::Expr p = ag::parameters(3);
  const ag::Expr unchanging = log(1.0 + table["x"]);
  ag::CompiledGraph graph = compile(sum(square(unchanging * p[0] - p[1])), p, world());
  const std::string text = graph.explain(std::vector{1.0, 2.0, 3.0});
  for (const char* part : {"loss [], gradient [3]", "sweep over", "rows of points (30 of all ranks)",
                           "instructions in 1 lanes", "names.cpp:", "though no parameter changes it",
                           "\n  log (names.cpp:", "parameters that the loss does not use: [2]"}) {
    INFO(text);
    CHECK(text.find(part) != std::string::npos);
  }
  CHECK(world().broadcast(text, 0) == text);
  ag::CompiledGraph reference =
      compile(sum(square(unchanging * p[0])), p, world(), {.executor = ag::ExecutorKind::reference});
  CHECK(reference.explain(std::vector{1.0, 2.0, 3.0}).find("by the reference executor") != std::string::npos);
  Line model(table);
  CHECK(model.explain({1.0, 0.2, 0.0}).find("sum over ranks of") != std::string::npos);
}

}  // namespace test_names
