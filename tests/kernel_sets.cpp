// Kernels for each instruction set: all that this machine has agree, the environment chooses, and ranks agree.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "allgrad/error.hpp"
#include "catch.hpp"
#include "check_error.hpp"
#include "evaluation.hpp"
#include "execute/kernel_set.hpp"
#include "world.hpp"

namespace test_kernel_sets {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

/// ALLGRAD_KERNELS while it lives.
class Wanted {
 public:
  explicit Wanted(const std::string& name) { setenv("ALLGRAD_KERNELS", name.c_str(), 1); }
  ~Wanted() { unsetenv("ALLGRAD_KERNELS"); }
  Wanted(const Wanted&) = delete;
  Wanted& operator=(const Wanted&) = delete;
};

LossAndGradient evaluate_model() {
  const ag::Table table = deal("table", {{"x", noise_column(1000, 1)}}, all_on_first, world());
  const Expr params = ag::parameters(2);
  const Expr z = (ag::Array{-0.5, 0.0, 0.5} - expand_dims(table["x"], 1)) * exp(params[0]);
  const Expr loss = sum(square(sum(erf(z), 0) - params[1]));
  return evaluate_with_gradient(loss, params, {0.3, 2.0}, world(), ag::ExecutorKind::tiled);
}

/// Counts in 603 bins, next to each other, in reverse order, beside each other and looked up again: values with many
/// elements that are not per row.
LossAndGradient evaluate_counts(ag::ExecutorKind executor) {
  std::vector<double> bins = noise_column(1003, 2, -20.0, 620.0);  // some of no bin
  std::ranges::transform(bins, bins.begin(), [](double bin) { return std::floor(bin); });
  const ag::Table table = deal("table", {{"x", noise_column(1003, 1)}, {"bin", bins}}, uneven, world());
  const Expr params = ag::parameters(3), bin = table["bin"];
  const Expr counts = ag::histogram(bin, exp(params[0] * table["x"]), 603);
  const Expr smooth = 0.5 * view(counts, ag::range(1, 603)) + params[1] * view(counts, ag::range(0, 602));
  const Expr folded = where(smooth > ag::flip(smooth, 0), smooth, 0.5 * smooth);
  const Expr joined = ag::concatenate({folded, log1p(counts), folded * folded}, 0);
  const Expr both = ag::stack({counts, ag::flip(counts, 0)}, 0) * expand_dims(ag::Array{1.0, -0.5} * params[2], 1);
  const Expr place = expand_dims(minimum(maximum(bin, 0.0), 602.0), 1);
  const Expr looked_up = ag::take(both, place, 1);  // [rows, 2]
  return evaluate_with_gradient(mean(square(joined - mean(joined))) + sum(sin(both)) + 1e-3 * sum(square(looked_up)),
                                params, {0.3, 0.7, 1.1}, world(), executor);
}

}  // namespace

TEST_CASE("all instruction sets of this machine give the same but for rounding") {
  const LossAndGradient reference = evaluate_model();
  for (const ag::KernelSet& set : ag::available_kernel_sets()) {
    const Wanted wanted(set.instruction_set);
    CHECK(std::string(ag::choose_kernel_set(world()).instruction_set) == set.instruction_set);
    const LossAndGradient value = evaluate_model();
    CHECK(value.loss == Approx(reference.loss).epsilon(1e-13));
    for (std::size_t k = 0; k < 2; ++k) CHECK(value.gradient[k] == Approx(reference.gradient[k]).epsilon(1e-12));
  }
}

TEST_CASE("values of many elements that are not per row are the same on all instruction sets") {
  const LossAndGradient reference = evaluate_counts(ag::ExecutorKind::reference);
  for (const ag::KernelSet& set : ag::available_kernel_sets()) {
    INFO(set.instruction_set);
    const Wanted wanted(set.instruction_set);
    const LossAndGradient value = evaluate_counts(ag::ExecutorKind::tiled);
    CHECK(value.loss == Approx(reference.loss).epsilon(1e-12));
    for (std::size_t k = 0; k < 3; ++k) CHECK(value.gradient[k] == Approx(reference.gradient[k]).epsilon(1e-11));
  }
}

TEST_CASE("sums of rows at the same positions are those of a plain loop on all instruction sets") {
  constexpr std::size_t num_rows = 1037, num_bins = 23;
  const std::vector<double> x = noise_column(num_rows, 1);
  std::vector<double> bins = noise_column(num_rows, 2, -3.0, 26.0);  // some of no bin
  std::ranges::transform(bins, bins.begin(), [](double bin) { return std::floor(bin); });
  const ag::Table table = deal("table", {{"x", x}, {"bin", bins}}, uneven, world());
  const Expr params = ag::parameters(1);
  for (const std::size_t num_sums : {2U, 3U, 11U}) {  // a pair, one more, and more than a line of the cache has
    std::vector<Expr> sums;
    std::vector<double> expected(num_sums * num_bins);
    for (std::size_t k = 0; k < num_sums; ++k) {
      const auto factor = static_cast<double>(k + 1);
      sums.push_back(ag::histogram(table["bin"], params[0] + factor * table["x"], num_bins));
      for (std::size_t row = 0; row < num_rows; ++row) {
        if (bins[row] < 0.0 || bins[row] >= static_cast<double>(num_bins)) continue;
        expected[k * num_bins + static_cast<std::size_t>(bins[row])] += 2.0 + factor * x[row];
      }
    }
    for (const ag::KernelSet& set : ag::available_kernel_sets()) {
      INFO(set.instruction_set << ", " << num_sums << " sums");
      const Wanted wanted(set.instruction_set);
      const std::vector<double> values = evaluate(ag::stack(sums, 0), params, {2.0}, world(), ag::ExecutorKind::tiled);
      CHECK_THAT(values, Catch::Matchers::Approx(expected).epsilon(1e-12));
    }
  }
}

TEST_CASE("ranks take the slowest set that one of them wants") {
  const ag::KernelSet slowest = ag::available_kernel_sets().front();
  std::optional<Wanted> wanted;
  if (world().rank() == world().size() - 1) wanted.emplace(slowest.instruction_set);
  CHECK(std::string(ag::choose_kernel_set(world()).instruction_set) == slowest.instruction_set);
}

TEST_CASE("a set that this machine does not have is refused on every rank") {
  std::optional<Wanted> wanted;
  if (world().rank() == 0) wanted.emplace("mmx");
  try {
    evaluate_model();
    FAIL_CHECK("nothing was thrown");
  } catch (const ag::Error& error) {
    check_parts(error.what(),
                {"expected ALLGRAD_KERNELS to name kernels that this processor can run, which are baseline",
                 "got \"mmx\"", "without it the fastest are taken"});
  }
  wanted.reset();
  CHECK(evaluate_model().loss > 0.0);
}

}  // namespace test_kernel_sets
