// Processors or mathematical libraries that are not the same on all ranks: results that differ in their last bits.
#include <cmath>
#include <limits>
#include <vector>

#include "../check_error.hpp"
#include "../lambda_model.hpp"
#include "../said.hpp"
#include "../world.hpp"
#include "allgrad/allgrad.hpp"

namespace test_last_bits {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

/// Rosenbrock's function, which each rank computes for itself; what the last rank gets is moved by some ulps.
class Own final : public ag::Objective {
 public:
  explicit Own(int ulps) : ulps_(ulps) {}
  std::size_t num_params() const override { return 2; }
  const ag::Communicator& communicator() const override { return comm_; }
  double value(std::span<const double> x, const ag::EvaluationOptions&) override {
    return moved(std::pow(1.0 - x[0], 2) + 100.0 * std::pow(x[1] - x[0] * x[0], 2));
  }
  double value_and_gradient(std::span<const double> x, std::span<double> gradient,
                            const ag::EvaluationOptions& options) override {
    gradient[0] = moved(-2.0 * (1.0 - x[0]) - 400.0 * x[0] * (x[1] - x[0] * x[0]));
    gradient[1] = moved(200.0 * (x[1] - x[0] * x[0]));
    seen.insert(seen.end(), x.begin(), x.end());
    return value(x, options);
  }

  std::vector<double> seen;  ///< the parameters of all evaluations

 private:
  double moved(double x) const {
    if (comm_.rank() != comm_.size() - 1) return x;
    for (int i = 0; i < ulps_; ++i) x = std::nextafter(x, std::numeric_limits<double>::infinity());
    return x;
  }

  ag::Communicator comm_ = ag::Communicator::world();
  int ulps_;
};

/// Moved by an ulp on the last of several ranks.
double nearly(double x) { return is_culprit() && world().size() > 1 ? std::nextafter(x, 1.0) : x; }

template <class Optimizer>
void check_same_path(const Optimizer& optimizer, std::size_t& warnings) {
  Own exact(0), off(1);
  const Said said;
  const auto expected = optimizer.minimize(exact, {-1.2, 1.0});
  const auto result = optimizer.minimize(off, {-1.2, 1.0});
  CHECK(result.message == expected.message);
  if (exact.communicator().size() > 1) CHECK(off.seen == exact.seen);
  warnings += said.warnings.size();
  for (const std::string& text : said.warnings) {
    check_parts(text, {"loss and gradient that differ in their last bits", "those of rank 0", "This is said once"});
  }
}

}  // namespace

TEST_CASE("a rank that is one ulp off takes the way of rank 0, and a warning says so once") {
  std::size_t warnings = 0;
  check_same_path(ag::Adam{.nsteps = 50, .progress = false}, warnings);
  check_same_path(ag::GradientDescent{.nsteps = 50, .learning_rate = 1e-3, .progress = false}, warnings);
  check_same_path(ag::Lbfgsb{.progress = false}, warnings);
  CHECK(warnings == (world().size() > 1 && world().is_root() ? 1 : 0));
}

TEST_CASE("parameters that differ in their last bits are those of rank 0 in an evaluation") {
  const Said said;
  const ag::Table table("halos", {{"x", std::vector<double>(3, world().rank() + 0.5)}});
  LambdaModel model([x = table["x"]](const ag::Expr& p) { return sum(exp(p[0] * x), 0); },
                    [](const ag::Sumstats& s) { return log(s.value); });
  const double expected = model.calc_loss_from_params({0.3});
  const double loss = model.calc_loss_from_params({nearly(0.3)});
  CHECK(loss == expected);
  if (world().size() == 1) return;
  check_error<ag::DivergenceError>({"these differ: parameters"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    model.calc_loss_from_params({is_culprit() ? 0.3 + 1e-8 : 0.3});
  });
}

TEST_CASE("parameters that differ in their last bits are those of rank 0 in an evaluation of a group") {
  const Said said;
  const ag::Communicator own(MPI_COMM_SELF), main(MPI_COMM_WORLD);
  const ag::Table table("halos", {{"x", std::vector<double>(3, world().rank() + 0.5)}}, own);
  LambdaModel model([x = table["x"]](const ag::Expr& p) { return sum(exp(p[0] * x), 0); },
                    [](const ag::Sumstats& s) { return log(s.value); }, own);
  ag::OnePointGroup group(model, main);
  const auto [expected, expected_gradient] = group.calc_loss_and_grad_from_params({0.3});
  for (int i = 0; i < 2; ++i) {
    CHECK(group.calc_loss_from_params({nearly(0.3)}) == expected);
    const auto [loss, gradient] = group.calc_loss_and_grad_from_params({nearly(0.3)});
    CHECK(loss == expected);
    CHECK(gradient == expected_gradient);
  }
  REQUIRE(said.warnings.size() == (world().size() > 1 && world().is_root() ? 1 : 0));
  if (world().size() == 1) return;
  if (world().is_root()) check_parts(said.warnings[0], {"an evaluation of a group", "parameters that differ"});
  check_error<ag::DivergenceError>({"these differ: parameters"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    group.calc_loss_from_params({is_culprit() ? 0.3 + 1e-8 : 0.3});
  });
}

}  // namespace test_last_bits
