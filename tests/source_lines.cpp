// Every kind of operand notes the line that it was written on, so that nodes carry the user's lines.
#include <fmt/ranges.h>

#include <map>
#include <set>
#include <string>
#include <xtensor/xarray.hpp>
#include <xtensor/xmath.hpp>

#include "allgrad/allgrad.hpp"
#include "catch.hpp"
#include "compile/pipeline.hpp"
#include "graph/operator.hpp"
#include "graph/traversal.hpp"

namespace test_source_lines {

namespace ag = allgrad;

namespace {

/// The line of a node, where that is in this file.
unsigned line_of(const ag::Expr& expr) {
  CHECK(expr.node()->where.str().starts_with("source_lines.cpp:"));
  return expr.node()->where.line;
}

ag::Table make_table() { return ag::Table("rows", {{"x", xt::xarray<double>{1.0, 2.0}}}); }

}  // namespace

// clang-format off
TEST_CASE("operators beside an Expr, an xtensor array, an xtensor expression and a number") {
  const ag::Expr p = ag::parameters(2);
  const xt::xarray<double> a = {1.0, 2.0};
  CHECK(line_of(p + p) == __LINE__);
  CHECK(line_of(p + a) == __LINE__);
  CHECK(line_of(a - p) == __LINE__);
  CHECK(line_of(xt::exp(a) * p) == __LINE__);
  CHECK(line_of(p / (2.0 * a)) == __LINE__);
  CHECK(line_of(p + 2.0) == __LINE__);
  CHECK(line_of(1 - p) == __LINE__);
  CHECK(line_of(-p) == __LINE__);
  CHECK(line_of(!p) == __LINE__);
  CHECK(line_of(p < a) == __LINE__);
  CHECK(line_of(a >= p) == __LINE__);
  CHECK(line_of((p > 0.0) && (p < 1.0)) == __LINE__);
  ag::Expr q = p;
  q += a; const unsigned line = __LINE__;
  CHECK(line_of(q) == line);
}

TEST_CASE("constants that operands become") {
  const ag::Expr p = ag::parameters(2);
  const xt::xarray<double> a = {1.0, 2.0};
  const ag::Expr with_array = a + p, with_number = p * 3.0; const unsigned line = __LINE__;
  CHECK(line_of(with_array.node()->operands[0]) == line);
  CHECK(line_of(with_number.node()->operands[1]) == line);
}

TEST_CASE("functions") {
  const ag::Expr p = ag::parameters(2);
  const xt::xarray<double> a = {1.0, 2.0};
  CHECK(line_of(exp(p)) == __LINE__);
  CHECK(line_of(pow(10.0, p)) == __LINE__);
  CHECK(line_of(pow(a, p)) == __LINE__);
  CHECK(line_of(maximum(a, p)) == __LINE__);
  CHECK(line_of(where(p > 0.0, p, a)) == __LINE__);
  CHECK(line_of(sum(p)) == __LINE__);
  CHECK(line_of(sum(p, 0)) == __LINE__);
  CHECK(line_of(mean(p)) == __LINE__);
  CHECK(line_of(diff(p)) == __LINE__);
  CHECK(line_of(expand_dims(p, 1)) == __LINE__);
  CHECK(line_of(squeeze(expand_dims(p, 1), 1)) == __LINE__);
  CHECK(line_of(reshape(p, {2, 1})) == __LINE__);
  CHECK(line_of(broadcast_to(p, ag::Shape{3, 2})) == __LINE__);
  CHECK(line_of(view(p, ag::range(0, 1))) == __LINE__);
  CHECK(line_of(ag::concatenate({p, p})) == __LINE__);
  CHECK(line_of(ag::stack({p, p})) == __LINE__);
  CHECK(line_of(ag::stack(std::vector{p, p})) == __LINE__);
  CHECK(line_of(reduce_sum(ag::rank_constant(a))) == __LINE__);
}

TEST_CASE("random functions, and all that they are made of") {
  const ag::Table table = make_table();
  const ag::Expr key = ag::random::key();
  const ag::Key fixed = 1;
  CHECK(line_of(ag::random::uniform(key, {2})) == __LINE__);
  CHECK(line_of(ag::random::uniform(key, {2}, 1.0, 2.0)) == __LINE__);
  CHECK(line_of(ag::random::normal(key, {table.rows(), 2})) == __LINE__);
  CHECK(line_of(ag::random::normal(fixed, {table.rows()})) == __LINE__);
  CHECK(line_of(ag::random::bits(key, {table.rows()})) == __LINE__);
  CHECK(line_of(ag::random::split(key, 3)) == __LINE__);
  CHECK(line_of(ag::random::fold_in(key, 3)) == __LINE__);
  const unsigned line = __LINE__ + 1;
  const ag::Expr normal = ag::random::normal(key, {table.rows(), 2});
  for (const ag::Expr& expr : ag::topological_order({&normal, 1})) {
    if (expr.node() != key.node()) CHECK(line_of(expr) == line);
  }
}

TEST_CASE("what stands at the leaves, and elements of it") {
  const ag::Table table = make_table();
  const xt::xarray<double> a = {1.0, 2.0};
  CHECK(line_of(ag::parameters(2)) == __LINE__);
  CHECK(line_of(ag::constant(a)) == __LINE__);
  CHECK(line_of(ag::rank_constant(a)) == __LINE__);
  CHECK(line_of(table["x"]) == __LINE__);
  CHECK(line_of(table[std::string("x")]) == __LINE__);
  CHECK(line_of(ag::parameters(2)[0]) == __LINE__);
  CHECK(line_of(ag::parameters(2)[std::size_t{1}]) == __LINE__);
  CHECK(line_of(ag::random::key()) == __LINE__);
}

TEST_CASE("after all rewrites, each node has the line of the expression that it comes from") {
  const ag::Table table = make_table();
  const ag::Expr p = ag::parameters(2); const unsigned params = __LINE__;
  const ag::Expr x = table["x"]; const unsigned column = __LINE__;
  const ag::Expr growth = exp(p[0] * x); const unsigned grown = __LINE__;
  const ag::Expr curve = tanh(growth) + (-sin(x)); const unsigned curved = __LINE__;
  const ag::Expr total = sum(curve); const unsigned totalled = __LINE__;
  const ag::Expr second = sum(square(x) * growth); const unsigned seconded = __LINE__;
  const ag::Expr known = log(ag::constant(3.0) + 1.0); const unsigned folded = __LINE__;
  const ag::Expr loss = cos(total) * second + p[1] * known; const unsigned lost = __LINE__;

  // Lines of each operator, with a ' where differentiation built it. What is summed or totalled has the line of what it
  // is the sum of, which for a derivative is the value that it is by.
  using Lines = std::map<std::string, std::set<unsigned>>;
  const Lines expected = {
      {"parameters", {params}}, {"column", {column}}, {"index", {grown, lost}}, {"exp", {grown}}, {"tanh", {curved}},
      {"sin", {curved}}, {"subtract", {curved}}, {"sum", {totalled, seconded}}, {"square", {seconded}},
      {"multiply", {grown, seconded, lost}}, {"constant", {folded}}, {"cos", {lost}}, {"add", {lost}},
      {"allreduce", {totalled, lost}}, {"reshape", {lost}}, {"concatenate", {lost}}, {"slice", {lost}},
      {"neg'", {lost}}, {"sin'", {lost}}, {"safe_multiply'", {grown, curved, seconded, lost}}, {"cosh'", {curved}},
      {"square'", {curved}}, {"divide'", {curved}}, {"sum'", {grown}}, {"concatenate'", {params}},
      {"constant'", {params, curved}},
      {"add'", {grown, params}}, {"allreduce'", {params}}, {"slice'", {totalled}}, {"reshape'", {params, totalled}}};
  const ag::Communicator world = ag::Communicator::world();
  Lines actual;
  ag::Dump nowhere;
  const ag::DerivativesOf gradient{loss, {}, ag::GradientMode::reverse};
  const auto graph = ag::run_pipeline({{"loss", loss}}, p, world, {}, gradient, nowhere);
  for (const ag::Expr& expr : ag::topological_order(exprs_of(graph))) {
    actual[std::string(expr.node()->op->name()) + (expr.node()->backward ? "'" : "")].insert(line_of(expr));
  }
  INFO("expected " << fmt::format("{}", expected) << "\nactual " << fmt::format("{}", actual));
  CHECK(actual == expected);
}

TEST_CASE("each operation of an expression over several lines has a line of that expression") {
  const ag::Expr p = ag::parameters(2);
  const unsigned first = __LINE__ + 1;
  const ag::Expr sums = ag::concatenate({sum(p, {}) * square(p),
                                     exp(p)});
  CHECK(line_of(sums) == first);
  CHECK(line_of(sums.node()->operands[0]) == first);
  CHECK(line_of(sums.node()->operands[1]) == first + 1);
}
// clang-format on

}  // namespace test_source_lines
