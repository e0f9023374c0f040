// How the gradient's graph is built: what is contributed to parts of a value is joined, and the sum is right.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "autodiff/gradient.hpp"
#include "catch.hpp"
#include "evaluation.hpp"
#include "graph/operator.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"

namespace test_differentiation {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

/// Elements of all values of a graph, those per row once for each row's lane.
std::size_t elements(const Expr& output) {
  const auto order = ag::topological_order({&output, 1});
  return std::accumulate(order.begin(), order.end(), std::size_t{0},
                         [](std::size_t sum, const Expr& e) { return sum + ag::num_lanes(e.shape()); });
}

std::size_t count(const Expr& output, std::string_view name) {
  const auto order = ag::topological_order({&output, 1});
  return static_cast<std::size_t>(
      std::ranges::count_if(order, [&](const Expr& e) { return e.node()->op->name() == name; }));
}

/// Compares the gradient by both executors with finite differences.
void check_gradient(const Expr& loss, const Expr& params) {
  const std::size_t size = params.shape()[0].length;
  std::vector<double> at(size);
  for (std::size_t i = 0; i < size; ++i) at[i] = noise(i, -1.0, 1.0);
  for (const ag::ExecutorKind executor : executors) {
    ag::CompiledGraph graph = ag::compile(loss, params, self(), {executor});
    std::vector<double> gradient(size);
    graph.value_and_gradient(at, gradient);
    const auto value = [&](std::span<const double> p) { return graph.value(p); };
    INFO(to_string(executor) << "\n" << graph.text());
    check_close(numeric_gradient(value, at), gradient, 1e-9);
  }
}

}  // namespace

TEST_CASE("the gradient of parameters that are taken one by one grows with their number, not with its square") {
  const auto gradient_of = [](std::size_t size) {
    const Expr params = ag::parameters(size);
    Expr loss = ag::constant(0.0);
    for (std::size_t i = 0; i < size; ++i) loss += square(params[i] - 1.0);
    return ag::gradient(loss, params);
  };
  const Expr small = gradient_of(50), large = gradient_of(500);
  CHECK(elements(large) < 11 * elements(small));
  CHECK(count(large, "pad") == 0);
  CHECK(count(large, "concatenate") == 1);
}

TEST_CASE("contributions to parts of a vector: disjoint, the same, overlapping, with gaps and with steps") {
  const Expr p = ag::parameters(9);
  const auto part = [&](std::ptrdiff_t start, std::ptrdiff_t stop, std::ptrdiff_t step = 1) {
    return view(p, ag::range(start, stop, step));
  };
  check_gradient(sin(p[1]) * p[7], p);  // gaps before, between and behind
  check_gradient(sin(p[1]) + p[1] * p[2] + sum(exp(part(1, 2))) * p[1],
                 p);                                 // the same element, with its axis and without
  check_gradient(sum(square(diff(p))) + sum(p), p);  // the vector beside parts that overlap
  check_gradient(sum(part(0, 4)) * sum(sin(part(2, 6))) * sum(cos(part(5, 9))) * p[8] * p[0], p);
  check_gradient(sum(sin(part(0, 9, 2))) * sum(part(1, 9, 3)) * p[4], p);
}

TEST_CASE("contributions to parts of other values: matrices along both axes, values per row, statistics") {
  const ag::Table halos = deal("halos", {{"x", noise_column(7, 1)}}, all_on_first, self());
  const Expr p = ag::parameters(6);
  const Expr matrix = sin(reshape(p, {2, 3}));
  const auto column = [](const Expr& m, std::ptrdiff_t i) { return view(m, {ag::all(), i}); };
  check_gradient(sum(matrix[0] * exp(matrix[1])) * sum(column(matrix, 1) * column(matrix, 2)), p);
  const Expr rows = sin(expand_dims(halos["x"], 1) * p);  // [rows, 6]
  check_gradient(sum(column(rows, 0) * column(rows, 2) + column(rows, 5)) + sum(square(diff(rows))), p);
  const Expr statistics = sum(rows, 0);
  check_gradient(statistics[0] * statistics[3] + log(2.0 + square(statistics[4])), p);
}

TEST_CASE("a graph of 100,000 nodes, each of the former, per row and not") {
  const ag::Table halos = deal("halos", {{"x", {0.5, 1.0}}}, all_on_first, self());
  const Expr p = ag::parameters(1);
  for (Expr x : {p[0], p[0] * halos["x"]}) {
    for (int i = 0; i < 100000; ++i) x = x + 0.125;  // exact
    const auto result = evaluate_with_gradient(mean(x), p, {4.0}, self(), ag::ExecutorKind::tiled);
    const double slope = mean(x).placement() == ag::Placement::partial ? 0.75 : 1.0;
    CHECK(result.loss == 4.0 * slope + 12500.0);
    CHECK(result.gradient == std::vector{slope});
  }
}

TEST_CASE("polynomials of a value per row: inner values used elsewhere, of two values, along lanes, of high degree") {
  const ag::Table halos = deal("halos", {{"x", noise_column(7, 1)}, {"w", noise_column(7, 2)}}, all_on_first, self());
  const Expr p = ag::parameters(2), x = halos["x"], w = halos["w"];
  const Expr z = sin(p[0] * x + p[1]), y = cos(p[1] * w), z2 = square(z);
  const Expr smooth = 0.5 + z * (1.0 - z2 * (w - z2 * (3.0 - 5.0 * z2)));
  check_gradient(sum(square(smooth)), p);
  check_gradient(sum(smooth * exp(z2) + z2 * z), p);
  check_gradient(sum(sin(z * y - z2 * y + (z - z2) * (y + z))), p);
  check_gradient(sum(exp(-(z + z) + (z - z) * w)), p);
  const Expr lanes = expand_dims(z, 1) * p;  // [rows, 2]
  check_gradient(sum(sin(lanes * (1.0 - lanes * (lanes + expand_dims(z, 1))))), p);
  Expr iterated = z;
  for (int i = 0; i < 100; ++i) iterated = iterated * (1.0 - 0.25 * square(iterated));
  check_gradient(sum(iterated), p);
  check_gradient(sum(halos["x"] * (p[0] * p[0] - p[0] * p[1])), p);
}

TEST_CASE("the derivative of a polynomial is one product, safe where the value may be infinite") {
  const ag::Table halos = deal("halos", {{"x", {0.0, 1.0, 2.0}}}, all_on_first, self());
  const Expr p = ag::parameters(1);
  const Expr z = log(halos["x"] * p[0]), cubic = z * (1.0 - square(z));  // infinite in the first row
  const Expr loss = sum(where(halos["x"] > 0.5, cubic, 0.0));
  for (const ag::GradientMode mode : {ag::GradientMode::reverse, ag::GradientMode::forward}) {
    for (const ag::ExecutorKind executor : executors) {
      const LossAndGradient result = evaluate_with_gradient(loss, p, {1.0}, self(), executor, {}, mode);
      check_close(std::vector{2.0 - 3.0 * std::log(2.0) * std::log(2.0)}, result.gradient, 1e-14);
    }
  }
  CHECK(count(ag::gradient(sum(exp(cubic)), p), "safe_multiply") == 4);  // by exp, cubic, log, and x
}

TEST_CASE(
    "products of derivatives are plain where values are finite, also by the sign of what they are computed from") {
  const ag::Table halos("halos", {{"x", std::vector{0.0, 1.0, 2.0}}}, self());
  const Expr p = ag::parameters(1), x = halos["x"] * p[0];
  const auto safe_products = [&](const Expr& value) { return count(ag::gradient(sum(value), p), "safe_multiply"); };
  for (const Expr& finite :
       {exp(-square(x)), exp(-0.5 * (square(x) + abs(x)) / 0.3), exp2(-(x * x) * exp(-square(x))),
        exp(sum(-expand_dims(square(x), 1), 1)), sigmoid(-square(x)) * sin(x), sqrt(1.0 + square(x)) * halos["x"]}) {
    INFO(ag::to_text({{"value", finite}}));
    CHECK(finite.node()->finite);
  }
  CHECK(safe_products(exp(-square(x))) == 0);
  for (const Expr& other : {exp(x), exp(square(x)), exp(x - square(x)), exp(-x * halos["x"]), log(square(x)),
                            exp(-square(log(x))), sqrt(x), exp(-square(x) / x)}) {
    INFO(ag::to_text({{"value", other}}));
    CHECK(!other.node()->finite);
  }
}

TEST_CASE("what stop_gradient gives counts as a constant, in both modes") {
  const Expr p = ag::parameters(2);
  const Expr loss = p[0] * stop_gradient(square(p[1])) + sum(stop_gradient(p) * p);  // 3 * 4 + 9 + 4
  for (const ag::ExecutorKind executor : executors) {
    for (const ag::GradientMode mode : {ag::GradientMode::reverse, ag::GradientMode::forward}) {
      const LossAndGradient result = evaluate_with_gradient(loss, p, {3.0, 2.0}, self(), executor, {}, mode);
      CHECK(result.loss == 25.0);
      CHECK(result.gradient == std::vector{4.0 + 3.0, 2.0});
    }
  }
}

}  // namespace test_differentiation
