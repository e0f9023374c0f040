// Forward mode: many directions at once, which go on as one where they go through one number per row.
#include "autodiff/tangents.hpp"

#include <algorithm>
#include <cmath>
#include <xtensor/xbuilder.hpp>

#include "autodiff/post_dominators.hpp"
#include "catch.hpp"
#include "evaluation.hpp"
#include "graph/operator.hpp"
#include "graph/traversal.hpp"

namespace test_tangents {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

/// Of the gradient, forward and reverse, and finite differences.
void check_modes(const Expr& loss, const Expr& params, std::vector<double> at) {
  for (const ag::ExecutorKind executor : executors) {
    const auto gradient = [&](ag::GradientMode mode) {
      return evaluate_with_gradient(loss, params, at, self(), executor, {}, mode).gradient;
    };
    const std::vector<double> reverse = gradient(ag::GradientMode::reverse);
    check_close(reverse, gradient(ag::GradientMode::forward), 1e-13);
    ag::CompiledGraph graph = ag::compile(loss, params, self(), {executor});
    check_close(numeric_gradient([&](std::span<const double> p) { return graph.value(p); }, at), reverse, 1e-8);
  }
}

/// Operations of a name on values per row.
std::size_t count_per_row(const Expr& output, std::string_view name) {
  const auto order = ag::topological_order({&output, 1});
  return static_cast<std::size_t>(std::ranges::count_if(
      order, [&](const Expr& e) { return e.placement() == ag::Placement::per_row && e.node()->op->name() == name; }));
}

/// Columns of finite numbers.
ag::Table made_points() { return ag::Table("points", {{"x", noise_column(9, 1)}, {"y", noise_column(9, 2)}}, self()); }

/// Columns that may hold NaN and infinities.
ag::Table dealt_points() {
  return deal("points", {{"x", noise_column(9, 1)}, {"y", noise_column(9, 2)}}, all_on_first, self());
}

}  // namespace

TEST_CASE("post-dominators: what all ways to the end of the rows lead through") {
  const Expr p = ag::parameters(2), x = made_points()["x"];
  const Expr product = p[0] * x, number = product + p[1], left = sin(number), right = cos(number), both = left * right;
  const ag::Graph graph{sum(both) + sum(right), mean(left)};
  const auto number_of = [&](const Expr& expr) {
    const auto found = std::ranges::find(graph.nodes(), expr.node(), [](const Expr& e) { return e.node(); });
    return static_cast<ag::Graph::Number>(found - graph.nodes().begin());
  };
  const ag::PostDominators ways(graph);
  CHECK(ways.next(number_of(x)) == number_of(product));
  CHECK(ways.next(number_of(product)) == number_of(number));
  CHECK(ways.next(number_of(number)) == ways.none());  // one by `left`, one by `right`
  CHECK(ways.next(number_of(both)) == ways.none());
  CHECK(ways.meeting(number_of(x), number_of(number)) == number_of(number));
  CHECK(ways.meeting(number_of(left), number_of(right)) == ways.none());
  CHECK(ways.not_before(number_of(number), number_of(x)) == number_of(number));
  CHECK(ways.not_before(number_of(number), number_of(left)) == number_of(left));
}

TEST_CASE("forward mode: what several parameters change goes on through numbers per row") {
  const Expr p = ag::parameters(5);
  const std::vector<double> at = {0.3, -0.4, 0.7, 0.2, 1.1};
  const xt::xarray<double> centers = {-0.5, 0.1, 0.8};
  const auto near = [&](const Expr& number) { return exp(-square(expand_dims(number, 1) - centers)); };  // [rows, 3]
  const ag::Table points = GENERATE(made_points(), dealt_points());
  const Expr x = p[0] + p[1] * points["x"], y = p[2] + p[3] * points["y"] + sin(p[4]) * x;
  const auto loss_of = [](const Expr& per_row) { return sum(square(sum(per_row, 0) - 1.0)); };

  SECTION("one number") { check_modes(loss_of(near(x)), p, at); }
  SECTION("a number behind another one, which is used beside it") {
    check_modes(loss_of(near(x) * near(y) + near(x * y)), p, at);
  }
  SECTION("numbers that come together behind lanes") {
    const Expr narrow = log(sum(near(x) * near(y), 1) + p[4]);
    check_modes(loss_of(near(narrow)), p, at);
    check_modes(loss_of(near(narrow) * expand_dims(x, 1)), p, at);
    check_modes(sum(narrow), p, at);
  }
  SECTION("parameters that go by the number and past it") { check_modes(loss_of(near(x) * p[1]), p, at); }
  SECTION("lanes of one number by lanes of parameters") {
    check_modes(loss_of(near(x) * view(p, ag::range(2, 5))), p, at);
    check_modes(loss_of(exp(-square(expand_dims(x, 1) - view(p, ag::range(2, 5))))), p, at);
  }
  SECTION("rows behind the total of other rows") {
    const Expr total = sum(near(x), 0);  // [3]
    check_modes(loss_of(exp(-expand_dims(y, 1) * total / 9.0) * expand_dims(tanh(y * total[0]), 1)), p, at);
  }
  SECTION("lanes that are all the number, and the number alone") {
    const Expr lanes = broadcast_to(expand_dims(x, 1), ag::Shape{x.shape()[0], ag::Extent(3)});
    check_modes(loss_of(lanes), p, at);
    check_modes(square(sum(lanes) + sum(lanes * 0.5)), p, at);
    check_modes(square(sum(x) + sum(sum(lanes * expand_dims(y, 1), 0)) + sum(transpose(lanes) * x)), p, at);
  }
  SECTION("axes before the rows") {
    const Expr across = transpose(near(y));  // [3, rows]
    check_modes(sum(square(sum(across * x, 1))), p, at);
  }
}

TEST_CASE("forward mode: where a number per row or its derivative is infinite, masks hold") {
  const Expr p = ag::parameters(3), x = dealt_points()["x"];
  const std::vector<double> at = {0.2, 0.9, 0.6};
  const Expr number = p[0] + p[1] * x;  // of both signs
  check_modes(sum(where(number > 0.1, sqrt(number), 0.0) * p[2]), p, at);
  const Expr logarithm = log(number) * p[2] + p[0];
  check_modes(sum(where(number > 0.1, sin(logarithm), 0.0)), p, at);
}

TEST_CASE("tangents of 100,000 operations per row, each of the one before, along two directions") {
  const Expr p = ag::parameters(2);
  Expr x = p[0] * made_points()["x"] + p[1];
  for (int i = 0; i < 100'000; ++i) x = i % 2 == 0 ? sin(x) : x * p[1];
  const Expr jacobian = ag::jacobian(sum(x), p);
  CHECK(count_per_row(jacobian, "cos") == 50'000);
}

TEST_CASE("the Jacobian of lanes of one number per row: each parameter adds products with sums alone") {
  const ag::Table points = made_points();
  const auto jacobian_of = [&](std::size_t size) {
    const Expr params = ag::parameters(size);
    Expr number = params[0];
    for (std::size_t i = 1; i < size; ++i) number += params[i] * cos(static_cast<double>(i) * points["x"]);
    const xt::xarray<double> centers = {-0.5, 0.1, 0.8};
    const Expr near = exp(-square(sin(expand_dims(number, 1) - centers)));
    return ag::jacobian(sum(near, 0), params);
  };
  const Expr few = jacobian_of(3), many = jacobian_of(8);
  CHECK(count_per_row(few, "exp") == 1);
  CHECK(count_per_row(many, "exp") == 1);
  const std::size_t for_each_param = 4;  // two of the number, one of its tangent, one in lanes
  CHECK(count_per_row(many, "multiply") - count_per_row(few, "multiply") == 5 * for_each_param);
}

}  // namespace test_tangents
