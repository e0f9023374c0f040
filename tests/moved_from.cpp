// What was moved from says so.
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "allgrad/adam.hpp"
#include "allgrad/arrays.hpp"
#include "allgrad/compile.hpp"
#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "allgrad/gradient_descent.hpp"
#include "allgrad/lbfgsb.hpp"
#include "check_error.hpp"
#include "optimizer_objectives.hpp"

namespace test_moved_from {

namespace ag = allgrad;
using allgrad::testing::check_error;

namespace {

template <class Action>
void check_refused(const std::string& what, Action action) {
  check_error<ag::ArgumentError>({"expected " + what + ", got one that was moved from"}, [&](unsigned&) { action(); });
}

template <class Optimizer>
void check_state(const Optimizer& optimizer) {
  Analytic objective(2, rosenbrock);
  auto state = optimizer.init(objective, {-1.2, 1.0});
  optimizer.step(state);
  const auto owner = std::move(state);
  CHECK(owner.step() == 1);
  const std::string what = "the state of a run";
  check_refused(what, [&] { optimizer.step(state); });
  check_refused(what, [&] { state.step(); });
  check_refused(what, [&] { state.iterate(); });
  check_refused(what, [&] { state.params(); });
  check_refused(what, [&] { state.best(); });
  check_refused(what, [&] { state.ended(); });
  check_refused(what, [&] { state.message(); });
  check_refused(what, [&] { state.result(); });
  state = optimizer.init(objective, {-1.2, 1.0});
  CHECK(state.step() == 0);
}

}  // namespace

TEST_CASE("the state of a run") {
  check_state(ag::Adam{});
  check_state(ag::GradientDescent{.learning_rate = 1e-4});
  check_state(ag::Lbfgsb{});
}

TEST_CASE("a compiled graph") {
  const auto params = ag::parameters(2);
  ag::CompiledGraph graph = ag::compile(sum(square(params)), params);
  ag::CompiledGraph owner = std::move(graph);
  const std::vector<double> point = {1.0, 2.0};
  std::vector<double> gradient(2);
  CHECK(owner.value(point) == 5.0);
  const std::string what = "a compiled graph";
  check_refused(what, [&] { graph.value(point); });
  check_refused(what, [&] { graph.value_and_gradient(point, gradient); });
  check_refused(what, [&] { graph.what_is_not_finite(point); });
  check_refused(what, [&] { graph.num_params(); });
  check_refused(what, [&] { graph.communicator(); });
  check_refused(what, [&] { graph.draws(); });
  check_refused(what, [&] { graph.text(); });
  check_refused(what, [&] { graph.write_dot("moved_from.dot"); });
  check_refused(what, [&] { ag::Lbfgsb{}.minimize(graph, point); });
}

}  // namespace test_moved_from
