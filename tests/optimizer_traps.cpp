// Runs of programs that trap invalid operations and divisions by zero (feenableexcept): models are evaluated without
// traps, and no optimizer may raise the flag that a trap follows.
#include <cfenv>
#include <cmath>
#include <limits>
#include <string>

#include "allgrad/adam.hpp"
#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "allgrad/gradient_descent.hpp"
#include "allgrad/lbfgsb.hpp"
#include "allgrad/multistart.hpp"
#include "allgrad/reductions.hpp"
#include "allgrad/table.hpp"
#include "allgrad/trust_region.hpp"
#include "catch.hpp"
#include "lambda_model.hpp"
#include "optimizer_objectives.hpp"
#include "said.hpp"

namespace test_optimizer_traps {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// What is compared with a NaN in an order, or has no value, as 0 * infinity, raises the flag; a NaN that is passed on
// does not.
template <class Action>
bool is_invalid(Action action) {
  std::feclearexcept(FE_ALL_EXCEPT);
  action();
  const bool raised = std::fetestexcept(FE_INVALID) != 0;
  std::feclearexcept(FE_ALL_EXCEPT);
  return raised;
}

// Rosenbrock's function, which is not a number behind a wall.
Analytic walled(double wall) {
  return Analytic(2, [wall](auto params, auto gradient) {
    const double loss = rosenbrock(params, gradient);
    if (params[0] < wall) return loss;
    gradient[1] = not_a_number;
    return not_a_number;
  });
}

/// Traps are on while it lives.
struct Traps {
  Traps() { feenableexcept(FE_INVALID | FE_DIVBYZERO); }
  ~Traps() { fedisableexcept(FE_ALL_EXCEPT); }
  Traps(const Traps&) = delete;
  Traps& operator=(const Traps&) = delete;
};

// Each rank has other rows. Statistics are NaN where p[0] is above the smallest x, and the loss is infinite where p[1]
// is 0; the truth is {0.9, 1.5}, near the first wall.
LambdaModel model_with_walls(const ag::Communicator& comm) {
  const double rank = comm.rank(), size = comm.size();
  const ag::Table rows("rows", {{"x", std::vector<double>{1.0 + rank / size, 1.5 + rank / size}}}, comm);
  double root = 0.0, inverse = 0.0;
  for (int r = 0; r < comm.size(); ++r) {
    for (const double x : {1.0 + r / size, 1.5 + r / size}) {
      root += std::sqrt(x - 0.9);
      inverse += x / 1.5;
    }
  }
  const xt::xarray<double> truth = {std::log(root), std::log(inverse)};
  return {[x = rows["x"]](const ag::Expr& p) {
            return ag::stack({sum(sqrt(x - p[0]), 0), sum(x / p[1], 0)});
          },
          [=](const ag::Sumstats& s) { return sum(square(log(s.value) - truth)); }, comm};
}

const ag::Params bounded = {{.name = "a", .guess = -1.2, .bounds = {-3.0, 3.0}, .scale = 0.5},
                            {.name = "b", .guess = 1.0, .bounds = {.low = -2.0}}};

}  // namespace

TEST_CASE("no run makes an invalid operation") {
  Said said;
  const double wall = GENERATE(10.0, -1.1);
  const ag::Guess guess = GENERATE(ag::Guess{-1.2, 1.0}, ag::Guess(bounded));
  Analytic objective = walled(wall);
  const auto text_of = [&](const auto& optimizer) { return optimizer.minimize(objective, guess).str(); };
  CHECK_FALSE(is_invalid([&] { text_of(ag::Adam{.nsteps = 40, .learning_rate = 0.1}); }));
  CHECK_FALSE(is_invalid([&] { text_of(ag::Adam{.nsteps = 40, .learning_rate = 0.1, .randkey = 3}); }));
  CHECK_FALSE(is_invalid([&] { text_of(ag::GradientDescent{.nsteps = 40, .learning_rate = 1e-3}); }));
  CHECK_FALSE(is_invalid([&] { text_of(ag::Lbfgsb{}); }));
  CHECK((objective.walls() > 0) == (wall < 0.0));
}

TEST_CASE("the result before the first step makes no invalid operation") {
  Analytic objective(2, rosenbrock);
  CHECK_FALSE(is_invalid([&] { ag::Lbfgsb{}.init(objective, {-1.2, 1.0}).result().str(); }));
  CHECK_FALSE(is_invalid([&] { ag::Adam{}.init(objective, {-1.2, 1.0}).result().str(); }));
}

TEST_CASE("gradients whose square or whose product with a scale overflows make no invalid operation") {
  Said said;
  std::size_t evaluations = 0;
  Analytic objective(1, [&](auto p, auto gradient) {
    gradient[0] = evaluations++ == 2 ? 1e300 : 2.0 * p[0];
    return p[0] * p[0];
  });
  const ag::Params params = {{.name = "x", .guess = 3.0, .scale = GENERATE(1.0, 1e9)}};
  CHECK_FALSE(is_invalid([&] {
    const auto path = ag::Adam{.nsteps = 9, .learning_rate = 1e-3, .randkey = 1}.minimize(objective, params);
    CHECK(path.skipped == 1);
  }));
  evaluations = 0;
  CHECK_FALSE(is_invalid([&] {
    const auto rate = [](std::size_t step) { return step == 2 ? 0.0 : 1e-20; };
    ag::GradientDescent{.nsteps = 9, .learning_rate = rate}.minimize(objective, params);
  }));
}

TEST_CASE("what is no number is refused without an invalid operation") {
  Analytic objective(1, [](auto, auto) { return 0.0; });
  const auto refuses = [&](const auto& optimizer, const ag::Guess& guess) {
    try {
      optimizer.minimize(objective, guess);
    } catch (const ag::ArgumentError&) {
      return true;
    }
    return false;
  };
  CHECK_FALSE(is_invalid([&] {
    CHECK(refuses(ag::Adam{.beta1 = not_a_number}, {1.0}));
    CHECK(refuses(ag::Adam{.learning_rate = not_a_number}, {1.0}));
    CHECK(refuses(ag::Lbfgsb{.gtol = not_a_number}, {1.0}));
    CHECK(refuses(ag::Lbfgsb{}, {not_a_number}));
    CHECK(refuses(ag::Lbfgsb{}, {{.guess = 1.0, .bounds = {.low = not_a_number}}}));
    CHECK(refuses(ag::Adam{}, {{.guess = 1.0, .bounds = {.high = not_a_number}}}));
    CHECK(refuses(ag::Adam{}, {{.guess = 1.0, .scale = not_a_number}}));
  }));
}

TEST_CASE("every optimizer goes on from points that are not finite where operations trap") {
  const Said said;
  LambdaModel model = model_with_walls(ag::Communicator::world());
  // From near and from far: not all meet a wall from both.
  const ag::Guess near{0.5, 0.7}, far{0.5, 6.0};
  const auto bounded_at = [](double b) -> ag::Guess {
    return ag::Params{{.name = "a", .guess = 0.5, .bounds = {-3.0, 3.0}, .scale = 0.5},
                      {.name = "b", .guess = b, .bounds = {.low = -2.0}}};
  };
  const Traps traps;
  for (const ag::Guess& guess : {near, bounded_at(0.7)}) {
    CHECK(model.run_adam(guess, {.nsteps = 60, .learning_rate = 0.4, .progress = false}).skipped > 0);
    CHECK(model.run_simple_grad_descent(guess, {.nsteps = 60, .learning_rate = 2.0, .progress = false}).skipped > 0);
    for (const auto solver : {ag::TrustRegionSolver::eigenvalues, ag::TrustRegionSolver::conjugate_gradients}) {
      const auto fit = model.run_trust_region(guess, {.solver = solver, .radius = 3.0, .progress = false});
      CHECK(fit.backed_off > 0);
      CHECK(fit.success);
    }
  }
  for (const ag::Guess& guess : {far, bounded_at(6.0)}) {
    const ag::OptimizeResult fit = model.run_bfgs(guess, {.progress = false});
    CHECK(fit.backed_off > 0);
    CHECK(fit.success);
  }
  const ag::Params limits = {{.bounds = {-1.0, 3.0}}, {.bounds = {-1.0, 3.0}}};
  const ag::Multistart several = ag::run_multistart(model, limits, {.num_starts = 8});
  CHECK(several.best.success);
  CHECK(std::ranges::any_of(several.fits, [](const auto& fit) { return !std::isfinite(fit.fun); }));
  const ag::ParamScan scan = model.run_lhs_param_scan(-1.0, 3.0, 2, 12, 1);
  CHECK(std::ranges::any_of(scan.losses, [](double loss) { return std::isnan(loss); }));
  CHECK(model.find_nonfinite({2.0, 1.0}).has_value());
}

}  // namespace test_optimizer_traps
