// The ranges of the values of a graph, as a dump shows them: over all rows and ranks, of finite numbers alone.
#include "compile/value_ranges.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "catch.hpp"
#include "dsl/collectives.hpp"
#include "dsl/input.hpp"
#include "evaluation.hpp"
#include "graph/traversal.hpp"
#include "world.hpp"

namespace test_value_ranges {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// Of one of the values that an output is computed from.
ag::ValueRange range_of(const Expr& value, const Expr& output, const std::vector<double>& params = {}) {
  const ag::InputValue inputs[] = {{ag::parameters_name, params}};
  const ag::ExecutorKind kind = GENERATE(ag::ExecutorKind::tiled, ag::ExecutorKind::reference);
  const auto ranges = ag::value_ranges({output}, inputs, world(), kind, ag::Operation("a test"));
  const std::vector<Expr> order = ag::topological_order(std::vector{output});
  REQUIRE(ranges.size() == order.size());
  const auto at = std::ranges::find(order, value.node(), [](const Expr& expr) { return expr.node(); });
  REQUIRE(at != order.end());
  return ranges[static_cast<std::size_t>(at - order.begin())];
}

void check(const ag::ValueRange& range, double smallest, double largest, std::size_t num_nonfinite) {
  CHECK(range.smallest == Approx(smallest));
  CHECK(range.largest == Approx(largest));
  CHECK(range.num_nonfinite == num_nonfinite);
}

/// 100 rows from 0.5 to 99.5, two of which are not finite; ranks may have none.
ag::Table table() {
  std::vector<double> x(100), y(100);
  for (std::size_t row = 0; row < 100; ++row) y[row] = x[row] = static_cast<double>(row) + 0.5;
  y[0] = -infinity;
  y[99] = not_a_number;
  return deal("halos", {{"x", x}, {"y", y}}, first_is_empty, world());
}

}  // namespace

TEST_CASE("the range of a value per row is that of all rows and lanes, without what is not finite") {
  const ag::Table halos = table();
  const Expr x = halos["x"], y = halos["y"], lanes = expand_dims(y, 1) * ag::constant({1.0, -2.0, 0.5});
  check(range_of(x, sum(x)), 0.5, 99.5, 0);
  check(range_of(y, sum(y)), 1.5, 98.5, 2);
  check(range_of(lanes, sum(lanes)), -197.0, 98.5, 6);
  const Expr nowhere = x / 0.0;
  const ag::ValueRange range = range_of(nowhere, sum(nowhere));
  CHECK(range.num_nonfinite == 100);
  CHECK(range.smallest > range.largest);
}

TEST_CASE("the range of a share is that of the total, and parameters have theirs") {
  const Expr x = table()["x"], params = ag::parameters(2);
  const Expr share = sum(expand_dims(x, 1) * params, 0), loss = sum(log(share));
  check(range_of(share, loss, {1.0, 0.1}), 500.0, 5000.0, 0);
  check(range_of(params, loss, {1.0, 0.1}), 0.1, 1.0, 0);
  check(range_of(loss, loss, {1.0, 0.1}), std::log(500.0 * 5000.0), std::log(500.0 * 5000.0), 0);
  const Expr of_each = ag::share(params);
  check(range_of(of_each, sum(of_each), {1.0, 0.1}), 0.1, 1.0, 0);
}

TEST_CASE("the range of what ranks have of their own is that of all ranks") {
  const Expr own = ag::rank_constant(ag::Array{10.0 * world().rank(), 5.0});
  const Expr loss = ag::reduce_sum(own);
  check(range_of(own, loss), 0.0, std::max(5.0, 10.0 * (world().size() - 1)), 0);
}

TEST_CASE("ranges as text have a line for each node") {
  CHECK(to_text(std::vector<ag::ValueRange>{{-1.0, 2.5, 0}, {infinity, -infinity, 7}}) ==
        "node           smallest        largest   not finite\n"
        "%0                   -1            2.5            0\n"
        "%1                    -              -            7\n");
}

}  // namespace test_value_ranges
