// The SMF fit of data/optimizers.json, by a OnePointModel and by a graph composed by hand: every optimizer takes the
// path that optax and SciPy take.
#include <cmath>

#include "catch.hpp"
#include "reference_models.hpp"

namespace test_fits {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

constexpr std::size_t num_rows = 10000;
const xt::xarray<double> edges = xt::linspace(9.0, 10.0, 11);

/// log_mass = 10 - log10(1 - q), q = linspace(0, 0.95, num_rows); the first rank has no rows where there are several.
ag::Table halos() {
  const auto world = ag::Communicator::world();
  const auto [first, last] = first_is_empty(num_rows, world.rank(), world.size());
  std::vector<double> log_mass;
  for (std::size_t row = first; row < last; ++row) {
    const double q = 0.95 * static_cast<double>(row) / static_cast<double>(num_rows - 1);
    log_mass.push_back(10.0 - std::log10(1.0 - q));
  }
  return ag::Table("halos", {{"log_mass", std::move(log_mass)}}, world);
}

ag::Expr stellar_mass_function(const ag::Table& table, const ag::Expr& params) {
  const auto mean = params[0] + table["log_mass"];
  const auto cdf = 0.5 * (1.0 + erf((edges - expand_dims(mean, 1)) / (std::sqrt(2.0) * pow(10.0, params[1]))));
  return sum(diff(cdf), 0) / (10.0 * num_rows * xt::diff(edges));
}

ag::Expr loss_of(const ag::Expr& smf, const xt::xarray<double>& target) {
  return mean(square(log10(smf + 1e-10) - xt::log10(target + 1e-10)));
}

class Model final : public ag::OnePointModel {
 public:
  Model(ag::Table table, xt::xarray<double> target)
      : OnePointModel(table.communicator()), table_(std::move(table)), target_(std::move(target)) {}
  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    return stellar_mass_function(table_, params);
  }
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& smf) const override { return loss_of(smf.value, target_); }

 private:
  ag::Table table_;
  xt::xarray<double> target_;
};

struct Reference {
  Json json = read_json("optimizers.json");
  std::vector<double> start = json.at("start").get<std::vector<double>>();
  xt::xarray<double> target() const {
    const auto numbers = json.at("target").get<std::vector<double>>();
    auto array = xt::xarray<double>::from_shape({numbers.size()});
    std::ranges::copy(numbers, array.begin());
    return array;
  }
};

void check_path(const Json& expected, const ag::Trajectory& actual) {
  const auto params = expected.at("params").get<std::vector<std::vector<double>>>();
  const auto loss = expected.at("loss").get<std::vector<double>>();
  REQUIRE(actual.params.shape()[0] == params.size());
  REQUIRE(actual.loss.size() == loss.size());
  for (std::size_t step = 0; step < params.size(); ++step) {
    INFO("step " << step);
    for (std::size_t i = 0; i < 2; ++i) CHECK(std::abs(actual.params(step, i) - params[step][i]) < 1e-10);
    if (step < loss.size()) CHECK(actual.loss(step) == Approx(loss[step]).epsilon(1e-10).margin(1e-12));
  }
}

void check_minimum(const Json& expected, const ag::OptimizeResult& actual) {
  CHECK(actual.success);
  for (std::size_t i = 0; i < 2; ++i) CHECK(std::abs(actual.x(i) - expected.at("x")[i].get<double>()) < 1e-6);
}

}  // namespace

TEST_CASE("a OnePointModel takes the reference paths") {
  const Reference reference;
  Model model(halos(), reference.target());
  const auto [loss, gradient] = model.calc_loss_and_grad_from_params(reference.start);
  CHECK(loss == Approx(reference.json.at("loss").get<double>()).epsilon(1e-10));
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(gradient(i) == Approx(reference.json.at("dloss_dparams")[i].get<double>()).epsilon(1e-10));
  }
  check_path(reference.json.at("adam"), model.run_adam(reference.start, {.learning_rate = 0.02}));
  check_path(reference.json.at("gradient_descent"), model.run_simple_grad_descent(reference.start, {.nsteps = 50}));
  check_minimum(reference.json.at("lbfgsb"), model.run_bfgs(reference.start));
}

TEST_CASE("a graph composed by hand is optimized in the same way") {
  const Reference reference;
  const auto table = halos();
  const auto params = ag::parameters(2);
  auto graph = ag::compile(loss_of(stellar_mass_function(table, params), reference.target()), params);
  CHECK(graph.value(reference.start) == Approx(reference.json.at("loss").get<double>()).epsilon(1e-10));
  check_path(reference.json.at("adam"), ag::Adam{.learning_rate = 0.02}.minimize(graph, reference.start));
  check_minimum(reference.json.at("lbfgsb"), ag::Lbfgsb{}.minimize(graph, reference.start));
}

}  // namespace test_fits
