// Newton's method in a trust region: its steps, and its runs on models.
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <random>
#include <xtensor/xadapt.hpp>
#include <xtensor/xbuilder.hpp>

#include "allgrad/allgrad.hpp"
#include "base/eigensystem.hpp"
#include "check_error.hpp"
#include "evaluation.hpp"
#include "examples/models/hod.hpp"
#include "lambda_model.hpp"
#include "optimizer_objectives.hpp"
#include "optimizers/trust_region_step.hpp"
#include "reference_models.hpp"
#include "world.hpp"

namespace test_trust_region {

namespace ag = allgrad;
using allgrad::testing::check_error;
using allgrad::testing::LambdaModel;
using allgrad::testing::world;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// A loss of the parameters alone, and what it is of them as statistics.
LambdaModel model_of(LambdaModel::CalcSumstats statistics, std::function<ag::Expr(const ag::Expr&)> loss) {
  return LambdaModel(std::move(statistics), [loss](const ag::Sumstats& s) { return loss(s.value); });
}

/// Residuals of (1 - x)^2 + 100 (y - x^2)^2, minimal at (1, 1).
LambdaModel rosenbrock_model() {
  return model_of(
      [](const ag::Expr& p) {
        return ag::concatenate({reshape(1.0 - p[0], {1}), reshape(10.0 * (p[1] - p[0] * p[0]), {1})});
      },
      [](const ag::Expr& residuals) { return sum(square(residuals)); });
}

/// p1 takes x0^2 - x1^2 + x1^4 with a saddle at 0 and minima of -1/4 at x1 = -+ sqrt(1/2).
LambdaModel saddle_model() {
  return model_of([](const ag::Expr& p) { return p; },
                  [](const ag::Expr& x) { return square(x[0]) - square(x[1]) + square(square(x[1])); });
}

std::vector<double> sample() { return allgrad::testing::noise_column(200, 5, -1.0, 2.0); }

/// Of centre and log scatter of a normal distribution, from the sample, with a prior for the centre.
LambdaModel likelihood_model() {
  const ag::Table rows = allgrad::testing::deal("rows", {{"x", sample()}}, allgrad::testing::first_is_empty, world());
  return {[rows](const ag::Expr& p) {
            const ag::Expr z = (rows["x"] - p[0]) * exp(-p[1]);
            return sum(0.5 * square(z) + p[1]);
          },
          [](const ag::Sumstats& s) { return s.value + 0.5 * square(s.params[0] - 1.0); }, world()};
}

/// Of the root, whose name all ranks know.
std::string temporary_file() {
  return world().broadcast(
      (std::filesystem::temp_directory_path() / ("allgrad_trust_region_" + std::to_string(getpid()))).string(), 0);
}

/// The stellar mass function of optimizers.json, in (log f, log sigma).
LambdaModel smf_model() {
  constexpr std::size_t rows = 10000;
  const auto [first, last] = allgrad::testing::first_is_empty(rows, world().rank(), world().size());
  std::vector<double> log_mass;
  for (std::size_t row = first; row < last; ++row) {
    log_mass.push_back(10.0 - std::log10(1.0 - 0.95 * static_cast<double>(row) / (rows - 1.0)));
  }
  const ag::Table table("halos", {{"log_mass", log_mass}}, world());
  const auto numbers = allgrad::testing::read_json("optimizers.json").at("target").get<std::vector<double>>();
  xt::xarray<double> target = xt::adapt(numbers, std::vector<std::size_t>{numbers.size()});
  const auto statistics = [table](const ag::Expr& p) {
    const xt::xarray<double> edges = xt::linspace(9.0, 10.0, 11);
    const auto z = (edges - expand_dims(p[0] + table["log_mass"], 1)) / (std::sqrt(2.0) * pow(10.0, p[1]));
    return sum(diff(0.5 * (1.0 + erf(z))), 0) / (10.0 * rows * xt::diff(edges));
  };
  return model_of(statistics, [target](const ag::Expr& smf) {
    return mean(square(log10(smf + 1e-10) - xt::log10(target + 1e-10)));
  });
}

/// A symmetric matrix with eigenvalues of both signs, or above 0.
Eigen::MatrixXd random_matrix(std::mt19937& random, Eigen::Index n, bool positive) {
  std::normal_distribution<double> normal;
  const Eigen::MatrixXd a = Eigen::MatrixXd::NullaryExpr(n, n, [&] { return normal(random); });
  return positive ? Eigen::MatrixXd(a.lazyProduct(a.transpose())) : Eigen::MatrixXd(a + a.transpose());
}

}  // namespace

TEST_CASE("a step in a trust region fulfils the conditions of its minimum") {
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  for (int i = 0; i < 200; ++i) {
    const Eigen::Index n = 1 + i % 5;
    const Eigen::MatrixXd curvature = random_matrix(random, n, i % 3 == 0);
    Eigen::VectorXd gradient = Eigen::VectorXd::NullaryExpr(n, [&] { return normal(random); });
    const ag::Eigensystem eigen = ag::eigensystem(curvature);
    if (i % 4 == 1) {  // the hard case: no gradient along the lowest eigenvalue
      gradient -= eigen.vectors.col(0) * eigen.vectors.col(0).dot(gradient);
    }
    const double radius = std::exp(normal(random));
    const Eigen::VectorXd step = ag::minimizing_step({gradient, curvature}, radius);
    INFO("case " << i);
    CHECK(step.norm() <= radius * (1.0 + 1e-6));
    // (H + shift) step = -gradient with shift >= 0, H + shift positive semidefinite, and shift = 0 inside
    if (step.isZero(0.0)) continue;  // a minimum already
    const double shift = -step.dot(gradient + curvature * step) / step.squaredNorm();
    const double size = gradient.norm() + curvature.norm() * step.norm();
    CHECK((gradient + curvature * step + shift * step).norm() <= 1e-6 * size);
    CHECK(shift >= -1e-6 * curvature.norm());
    CHECK(eigen.values(0) + shift >= -1e-6 * curvature.norm());
    if (step.norm() < radius * (1.0 - 1e-6)) CHECK(static_cast<double>(std::abs(shift)) <= 1e-6 * curvature.norm());
  }
}

TEST_CASE("a step between bounds keeps to them and lowers the model") {
  std::mt19937 random(2);
  std::normal_distribution<double> normal;
  for (int i = 0; i < 200; ++i) {
    const Eigen::Index n = 1 + i % 5;
    const ag::QuadraticModel model = {Eigen::VectorXd::NullaryExpr(n, [&] { return normal(random); }),
                                      random_matrix(random, n, i % 2 == 0)};
    Eigen::VectorXd at = Eigen::VectorXd::NullaryExpr(n, [&] { return normal(random); });
    ag::Bounds bounds;
    for (Eigen::Index k = 0; k < n; ++k) {
      const double low = at(k) - std::max(0.0, normal(random));
      bounds.push_back({low, k % 3 == 1 ? infinity : at(k) + 0.1 + std::max(0.0, normal(random))});
    }
    const double radius = std::exp(normal(random));
    const auto [step, meets_radius] = ag::bounded_step(model, at, bounds, radius);
    INFO("case " << i);
    CHECK(step.norm() <= radius * (1.0 + 1e-6));
    for (Eigen::Index k = 0; k < n; ++k) {
      CHECK(at(k) + step(k) >= bounds[static_cast<std::size_t>(k)].low - 1e-12);
      CHECK(at(k) + step(k) <= bounds[static_cast<std::size_t>(k)].high + 1e-12);
    }
    if (ag::projected_gradient(model.gradient, at, bounds).norm() > 0.0) CHECK(change(model, step) < 0.0);
  }
}

TEST_CASE("a trust region finds minima by either curvature") {
  LambdaModel model = rosenbrock_model();
  for (const auto curvature : {ag::Curvature::exact, ag::Curvature::gauss_newton}) {
    const auto fit = model.run_trust_region({-1.2, 1.0}, {.curvature = curvature, .progress = false});
    INFO(fit.str());
    CHECK(fit.end_reason == ag::EndReason::converged);
    CHECK(fit.x(0) == Approx(1.0).epsilon(1e-5));
    CHECK(fit.x(1) == Approx(1.0).epsilon(1e-5));
    CHECK(fit.nfev <= 40);
  }
}

TEST_CASE("a trust region finds the minimum of a likelihood, of which the Gauss-Newton matrix says little") {
  const std::vector<double> all = sample();
  LambdaModel model = likelihood_model();
  const auto fit = model.run_trust_region({0.0, 0.5}, {.progress = false});
  INFO(fit.str());
  CHECK(fit.end_reason == ag::EndReason::converged);
  CHECK(fit.nfev <= 12);
  // The prior pulls at the mean by as much as one row does for a scatter of 1: minimum by the closed form, iterated.
  double center = 0.0, variance = 0.0;
  for (int i = 0; i < 100; ++i) {
    variance = 0.0;
    for (const double x : all) variance += (x - center) * (x - center) / 200.0;
    double sum = 0.0;
    for (const double x : all) sum += x;
    center = (sum / variance + 1.0) / (200.0 / variance + 1.0);
  }
  CHECK(fit.x(0) == Approx(center).epsilon(1e-6));
  CHECK(fit.x(1) == Approx(0.5 * std::log(variance)).epsilon(1e-6));
}

TEST_CASE("a trust region takes at most half the evaluations of L-BFGS-B") {
  const auto compare = [](ag::OnePointModel& model, const std::vector<double>& guess) {
    const auto lbfgsb = model.run_bfgs(guess, {.maxsteps = 500, .ftol = 1e-12, .progress = false});
    const auto fit = model.run_trust_region(guess, {.ftol = 1e-12, .progress = false});
    INFO(lbfgsb.str() << "\n\n" << fit.str());
    CHECK(fit.success);
    CHECK(fit.fun <= lbfgsb.fun * (1.0 + 1e-6) + 1e-8);
    CHECK(2 * fit.nfev <= lbfgsb.nfev);
  };
  const auto reference = allgrad::testing::read_json("optimizers.json");
  LambdaModel smf = smf_model();
  compare(smf, reference.at("start").get<std::vector<double>>());
  // What hod counts at the parameters of the file, fitted from those of Zheng et al. 2007 (ApJ 667, 760), table 1, for
  // galaxies brighter than -20.
  const auto entry = allgrad::testing::read_json("models.json").at("hod");
  models::Hod counter(allgrad::testing::make_table(entry, allgrad::testing::uneven, world()));
  const ag::Array counts = counter.calc_sumstats_from_params(entry.at("params").get<std::vector<double>>());
  LambdaModel hod([&](const ag::Expr& p) { return counter.calc_partial_sumstats_from_params(p).value; },
                  [counts](const ag::Sumstats& s) { return sum(square(s.value - counts) / (counts + 0.05)); });
  compare(hod, {12.02, 0.26, 11.38, 13.31, 1.06});
}

TEST_CASE("a trust region leaves a saddle, and says of a plateau that it is one") {
  LambdaModel saddle = saddle_model();
  const auto fit = saddle.run_trust_region({0.5, 0.0}, {.curvature = ag::Curvature::exact, .progress = false});
  CHECK(fit.success);
  CHECK(fit.fun == Approx(-0.25).epsilon(1e-9));
  CHECK(std::abs(fit.x(1)) == Approx(std::sqrt(0.5)).epsilon(1e-5));

  LambdaModel plateau = model_of([](const ag::Expr& p) { return maximum(p, 0.0); },
                                 [](const ag::Expr& s) { return sum(square(s - 1.0)); });
  const auto stuck = plateau.run_trust_region({-1.0, -2.0}, {.progress = false});
  CHECK_FALSE(stuck.success);
  CHECK(stuck.end_reason == ag::EndReason::no_progress);
  CHECK(stuck.message.find("PLATEAU") != std::string::npos);
}

TEST_CASE("fits arrive from where statistics nearly vanish, and within bounds") {
  LambdaModel smf = smf_model();
  const auto truth = allgrad::testing::read_json("optimizers.json").at("lbfgsb").at("x").get<std::vector<double>>();
  const ag::Bounds bounds = {{-6, 1}, {-2, 1}};
  const auto is_found = [&](const ag::OptimizeResult& fit) {
    INFO(fit.str());
    CHECK(fit.success);
    for (std::size_t i = 0; i < 2; ++i) CHECK(fit.x(i) == Approx(truth[i]).margin(2e-2));
  };
  for (const ag::Bounds& given : {ag::Bounds{}, bounds}) {
    is_found(smf.run_trust_region({-3.5, -1.5}, {.param_bounds = given, .progress = false}));  // a gradient of 1e-305
    is_found(smf.run_trust_region({-2.0, 0.5}, {.param_bounds = given, .progress = false}));
    is_found(smf.run_bfgs({-2.0, 0.5}, {.param_bounds = given, .progress = false}));
    const auto stuck = smf.run_trust_region({-4.0, -1.5}, {.param_bounds = given, .progress = false});
    CHECK(stuck.message.find("PLATEAU") != std::string::npos);
    CHECK_FALSE(stuck.success);
  }
}

TEST_CASE("a trust region keeps to bounds, and leaves frozen parameters alone") {
  LambdaModel model = rosenbrock_model();
  const ag::Params params = {{.name = "x", .guess = -1.2, .bounds = {-2.0, 0.5}},
                             {.name = "y", .guess = 1.0, .scale = 0.5}};
  std::vector<double> losses;
  const auto watch = [&](const ag::Iterate& at) {
    losses.push_back(at.loss);
    CHECK((at.params[0] >= -2.0 && at.params[0] <= 0.5));
  };
  const auto fit = model.run_trust_region(params, {.callback = watch, .progress = false});
  INFO(fit.str());
  CHECK(fit.success);
  CHECK(fit.x(0) == 0.5);  // along y = x^2 the loss is (1 - x)^2
  CHECK(fit.x(1) == Approx(0.25).epsilon(1e-6));
  CHECK(fit.at_bounds == std::vector<std::string>{"x"});
  CHECK(losses.size() == fit.nit + 1);
  CHECK(std::ranges::is_sorted(losses, std::greater<>()));

  const ag::Params frozen = {{.name = "x", .guess = -1.2, .frozen = true}, {.name = "y", .guess = 1.0}};
  const auto partial = model.run_trust_region(frozen, {.progress = false});
  CHECK(partial.success);
  CHECK(partial.x(0) == -1.2);
  CHECK(partial.x(1) == Approx(1.44).epsilon(1e-9));
}

TEST_CASE("a trust region shrinks where the loss is not finite") {
  LambdaModel model = model_of([](const ag::Expr& p) { return p; },
                               [](const ag::Expr& x) { return x[0] - 0.01 * log(x[0]) + square(x[1]); });
  const auto fit = model.run_trust_region({1.0, 1.0}, {.progress = false});
  INFO(fit.str());
  CHECK(fit.success);
  CHECK(fit.x(0) == Approx(0.01).epsilon(1e-4));
  CHECK(fit.backed_off > 0);
  CHECK(fit.not_finite.find("nan") != std::string::npos);
}

TEST_CASE("the inverse Hessian of a trust region is that of its curvature") {
  LambdaModel model = rosenbrock_model();
  const ag::Params params = {{.name = "x", .guess = -1.2, .scale = 0.2}, {.name = "y", .guess = 1.0, .scale = 3.0}};
  const auto fit = model.run_trust_region(params, {.curvature = ag::Curvature::exact, .progress = false});
  const auto inverse = fit.hess_inv.dense();
  const auto covariance = model.calc_covariance(fit.x, {.errordef = 0.5}).matrix;
  for (std::size_t i = 0; i < 4; ++i) CHECK(inverse.flat(i) == Approx(covariance.flat(i)).epsilon(1e-9));
}

TEST_CASE("a trust region goes on from a checkpoint, to the bit") {
  LambdaModel model = rosenbrock_model();
  const std::string file = temporary_file();
  const auto whole = model.run_trust_region({-1.2, 1.0}, {.progress = false});
  ag::TrustRegion options{.progress = false, .checkpoint = {.file = file, .every = 1, .resume = true}};
  options.maxsteps = 4;
  CHECK(model.run_trust_region({-1.2, 1.0}, options).end_reason == ag::EndReason::limit_reached);
  options.maxsteps = 100;
  const auto rest = model.run_trust_region({-1.2, 1.0}, options);
  CHECK((rest.x == whole.x));
  CHECK(rest.nit == whole.nit);
  CHECK(rest.nfev == whole.nfev);
  world().synchronize();
  if (world().is_root()) std::filesystem::remove(file);
}

TEST_CASE("a trust region that is stopped before it has chosen its curvature chooses later") {
  LambdaModel model = likelihood_model();
  const std::string file = temporary_file();
  const auto whole = model.run_trust_region({0.0, 0.5}, {.progress = false});
  ag::TrustRegion options{.progress = false, .checkpoint = {.file = file, .every = 1, .resume = true}};
  options.callback = [](const ag::Iterate&) { return ag::Control::stop; };  // at the guess
  const auto stopped = model.run_trust_region({0.0, 0.5}, options);
  CHECK(stopped.end_reason == ag::EndReason::stopped);
  CHECK(stopped.nfev == 1);
  options.callback = {};
  const auto rest = model.run_trust_region({0.0, 0.5}, options);
  CHECK((rest.x == whole.x));
  CHECK((rest.hess_inv.dense() == whole.hess_inv.dense()));
  CHECK(rest.nit == whole.nit);
  CHECK(rest.nfev == whole.nfev);
  world().synchronize();
  if (world().is_root()) std::filesystem::remove(file);
}

TEST_CASE("steps by hand are those of a run, which a callback may end") {
  LambdaModel model = rosenbrock_model();
  const ag::TrustRegion options{.progress = false};
  const auto whole = options.minimize(model.objective(2), {-1.2, 1.0});
  auto state = options.init(model.objective(2), {-1.2, 1.0});
  while (!state.ended()) options.step(state);
  CHECK((state.result().x == whole.x));
  CHECK(state.step() == whole.nit);
  const auto stop = [](const ag::Iterate& at) { return at.step == 2 ? ag::Control::stop : ag::Control::proceed; };
  const auto stopped = model.run_trust_region({-1.2, 1.0}, {.callback = stop, .progress = false});
  CHECK(stopped.end_reason == ag::EndReason::stopped);
  CHECK(stopped.nit == 2);
}

TEST_CASE("a trust region needs second derivatives") {
  Analytic objective(2, rosenbrock);
  check_error<ag::ArgumentError>({"TrustRegion: expected an objective with second derivatives"}, [&](auto& line) {
    line = __LINE__ + 1;
    ag::TrustRegion{}.minimize(objective, {-1.2, 1.0});
  });
  check_error<ag::ArgumentError>({"TrustRegion: expected a finite number above 0 for radius, got 0"}, [&](auto& line) {
    LambdaModel model = rosenbrock_model();
    line = __LINE__ + 1;
    model.run_trust_region({-1.2, 1.0}, {.radius = 0.0});
  });
}

TEST_CASE("a trust region minimizes the sum of a group") {
  LambdaModel first = rosenbrock_model(), second = rosenbrock_model();
  ag::OnePointGroup group({first, second});
  const auto fit = group.run_trust_region({-1.2, 1.0}, {.progress = false});
  CHECK(fit.success);
  CHECK(fit.x(0) == Approx(1.0).epsilon(1e-5));
}

TEST_CASE("a step by conjugate gradients is as good as the best one along the gradient, and solves for the minimum") {
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  for (int i = 0; i < 200; ++i) {
    const Eigen::Index n = 1 + i % 7;
    const Eigen::MatrixXd curvature = random_matrix(random, n, i % 2 == 0);
    const Eigen::VectorXd gradient = Eigen::VectorXd::NullaryExpr(n, [&] { return normal(random); });
    const ag::QuadraticModel model{gradient, curvature};
    const double radius = std::exp(normal(random));
    Eigen::Index products = 0;
    const auto product = [&](const Eigen::VectorXd& v) -> Eigen::VectorXd { return ++products, curvature * v; };
    const Eigen::VectorXd step = ag::steihaug_step(gradient, product, radius);
    INFO("case " << i);
    CHECK(step.norm() <= radius * (1.0 + 1e-12));
    CHECK(products <= n);
    const double slope = gradient.squaredNorm(), rise = gradient.dot(curvature * gradient);
    const double most = radius / gradient.norm(), part = rise > 0.0 ? std::min(slope / rise, most) : most;
    CHECK(change(model, step) <= change(model, -part * gradient) * (1.0 - 1e-12));
    if (step.norm() < radius * (1.0 - 1e-9)) CHECK((gradient + curvature * step).norm() <= 0.1 * gradient.norm());
  }
}

TEST_CASE("conjugate gradients fit two hundred parameters") {
  constexpr std::size_t n = 200;
  LambdaModel model = model_of([](const ag::Expr& p) { return p; },
                               [](const ag::Expr& x) {  // Rosenbrock's function of many variables, minimal at 1
                                 const auto last = x.shape()[0].length - 1;
                                 const auto a = view(x, ag::range(0, last)), b = view(x, ag::range(1, last + 1));
                                 return sum(square(1.0 - a)) + 100.0 * sum(square(b - square(a)));
                               });
  const std::vector<double> guess(n, 0.5);
  const auto fit = model.run_trust_region(guess, {.maxsteps = 500, .progress = false});
  INFO(fit.message);
  CHECK(fit.success);
  CHECK(xt::amax(xt::abs(fit.x - 1.0))() < 1e-4);
  const auto lbfgsb = model.run_bfgs(guess, {.maxsteps = 2000, .progress = false});
  CHECK(fit.nfev < lbfgsb.nfev);

  ag::Bounds bounds(n, ag::Bound{-2.0, 2.0});
  bounds[0] = {-0.5, 0.5};
  const auto within = model.run_trust_region(guess, {.maxsteps = 500, .param_bounds = bounds, .progress = false});
  CHECK(within.success);
  CHECK(within.at_bounds == std::vector<std::string>{"params[0]"});
}

TEST_CASE("conjugate gradients can be forced, and find the same minimum") {
  LambdaModel model = rosenbrock_model();
  const auto by_products = ag::TrustRegionSolver::conjugate_gradients;
  const ag::Params params = {{.name = "x", .guess = -1.2, .scale = 0.5}, {.name = "y", .guess = 1.0, .scale = 2.0}};
  const auto fit = model.run_trust_region(params, {.solver = by_products, .progress = false});
  CHECK(fit.success);
  for (std::size_t i = 0; i < 2; ++i) CHECK(fit.x(i) == Approx(1.0).epsilon(1e-4));
  LambdaModel other = rosenbrock_model();
  ag::OnePointGroup group({model, other});
  const auto of_group = group.run_trust_region(params, {.solver = by_products, .progress = false});
  CHECK(of_group.success);
  for (std::size_t i = 0; i < 2; ++i) CHECK(of_group.x(i) == Approx(1.0).epsilon(1e-4));

  LambdaModel plateau = model_of([](const ag::Expr& p) { return maximum(p, 0.0); },
                                 [](const ag::Expr& s) { return sum(square(s - 1.0)); });
  const auto stuck = plateau.run_trust_region({-1.0, -2.0}, {.solver = by_products, .progress = false});
  CHECK(stuck.message.find("PLATEAU") != std::string::npos);
  CHECK_FALSE(stuck.success);
  check_error<ag::ArgumentError>({"expected the exact curvature for conjugate gradients"}, [&](auto& line) {
    line = __LINE__ + 1;
    model.run_trust_region({-1.2, 1.0}, {.curvature = ag::Curvature::gauss_newton, .solver = by_products});
  });
  Analytic objective(2, rosenbrock);
  check_error<ag::ArgumentError>({"an objective with products of its Hessian with vectors"}, [&](auto& line) {
    line = __LINE__ + 1;
    ag::TrustRegion{.solver = by_products}.minimize(objective, {-1.2, 1.0});
  });
}

}  // namespace test_trust_region
