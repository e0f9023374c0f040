// Kernels for each instruction set: all that this machine has agree, the environment chooses, and ranks agree.
#include <cstdlib>

#include "allgrad/error.hpp"
#include "catch.hpp"
#include "check_error.hpp"
#include "evaluation.hpp"
#include "execute/kernel_set.hpp"
#include "world.hpp"

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
