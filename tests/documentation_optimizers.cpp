// What docs/optimizers.md shows: the code between the marks stands there byte for byte, which documentation.py checks,
// and does what the page says.
#include <fmt/format.h>

#include <memory>

#include "allgrad/allgrad.hpp"
#include "catch.hpp"
#include "readme_model.hpp"

namespace test_documentation_optimizers {

namespace ag = allgrad;

TEST_CASE("what the page on optimizers shows") {
  const ag::Communicator& world = allgrad::testing::world();
  allgrad::testing::LambdaModel model = allgrad::testing::readme_model(world);
  // [shown]
  const ag::Params params = {{.name = "log_f", .guess = -1.6, .bounds = {-4, 0}, .scale = ag::automatic},
                             {.name = "log_sigma", .guess = -0.5, .bounds = {-2, 1}, .scale = ag::automatic}};
  const auto fit = model.run_bfgs(params);
  const auto newton = model.run_trust_region(params);
  if (world.is_root() && !newton.success) fmt::print("{}\n", newton.message);
  // [/shown]
  for (const auto* found : {&fit, &newton}) {
    CHECK(found->success);
    CHECK(found->x(0) == Approx(-2.0).epsilon(1e-4));
  }
  CHECK(newton.nfev < fit.nfev);

  // [shown]
  const auto scipy = model.run_bfgs(params, {.scipy_path = true});
  // [/shown]
  CHECK(scipy.nfev > 0);

  const auto make_model = [](const ag::Communicator& part) {
    using allgrad::testing::LambdaModel;
    return std::unique_ptr<LambdaModel>(new LambdaModel(allgrad::testing::readme_model(part)));
  };
  // [shown]
  const auto found = ag::run_multistart(model, params, {.num_starts = 4});
  const auto same = ag::run_multistart(make_model, params, {.num_starts = 4}, world);  // up to 4 fits at a time
  if (world.is_root()) fmt::print("{}\n", found);
  // [/shown]
  CHECK(found.best.x(0) == Approx(-2.0).epsilon(1e-4));
  CHECK(same.num_at_best == found.num_at_best);
}

}  // namespace test_documentation_optimizers
