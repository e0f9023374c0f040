// What the rewrites do to values per row, as the graph is printed.
#include <limits>
#include <xtensor/xbuilder.hpp>

#include "allgrad/elementwise.hpp"
#include "catch.hpp"
#include "dsl/elementwise.hpp"
#include "graph/shape.hpp"
#include "graph/verify.hpp"
#include "pass_text.hpp"
#include "passes/common_subexpressions.hpp"
#include "passes/hoist_broadcasts.hpp"
#include "passes/join_sums.hpp"
#include "passes/move_factors.hpp"
#include "passes/powers.hpp"
#include "passes/share_functions.hpp"
#include "passes/skip_zeros.hpp"
#include "passes/split_sums.hpp"

namespace test_passes_rewrites {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

/// What a pass makes of a graph, checked and without doublets.
std::string after(std::vector<Expr> (*pass)(const ag::Graph&), const std::vector<Expr>& graph) {
  const std::vector<Expr> result = pass(ag::common_subexpressions(graph));
  ag::verify(result, "the pass");
  return operations(ag::common_subexpressions(result));
}

}  // namespace

TEST_CASE("hoist broadcasts: through slices, pads, changes of axes and sums over other axes") {
  const SmallInputs in;
  const Expr lanes = expand_dims(in.params, 0);  // [1, 2]
  const ag::Shape shape = ag::broadcast(ag::expand_dims(in.x, 1).shape(), lanes.shape());
  const Expr wide = broadcast_to(lanes, shape);  // [rows, 2]
  CHECK(after(ag::hoist_broadcasts, {sum(view(wide, {ag::all(), ag::range(0, 1)}) * ag::expand_dims(in.x, 1))}) == R"(
%0 = parameters()
%1 = reshape shape=[1, 2](%0)
%2 = slice 0:1, axis=1(%1)
%3 = column halos.x()
%4 = reshape shape=[rows, 1](%3)
%5 = multiply(%2, %4)
%6 = sum axes=[0, 1](%5)
out0 = %6
)");
  CHECK(after(ag::hoist_broadcasts, {sum(sum(wide, 1) * in.x)}) == R"(
%0 = parameters()
%1 = reshape shape=[1, 2](%0)
%2 = sum axes=[1](%1)
%3 = column halos.x()
%4 = multiply(%2, %3)
%5 = sum axes=[0](%4)
out0 = %5
)");
  CHECK(after(ag::hoist_broadcasts, {sum(wide)}) == R"(
%0 = parameters()
%1 = reshape shape=[1, 2](%0)
%2 = sum axes=[1](%1)
%3 = broadcast_to shape=[rows](%2)
%4 = sum axes=[0](%3)
out0 = %4
)");
  CHECK(after(ag::hoist_broadcasts, {sum(ag::concatenate({wide, wide}, 1) * ag::expand_dims(in.x, 1))}) == R"(
%0 = parameters()
%1 = reshape shape=[1, 2](%0)
%2 = concatenate axis=1(%1, %1)
%3 = column halos.x()
%4 = reshape shape=[rows, 1](%3)
%5 = multiply(%2, %4)
%6 = sum axes=[0, 1](%5)
out0 = %6
)");
}

TEST_CASE("hoist broadcasts: along rows, through any operation that works row by row") {
  const SmallInputs in;
  const Expr wide = broadcast_to(expand_dims(in.params, 0), ag::Shape{in.x.shape()[0], ag::Extent(2)});  // [rows, 2]
  CHECK(after(ag::hoist_broadcasts, {sum(ag::expand_dims(in.x, 0) * transpose(ag::cumsum(wide, 1)))}) == R"(
%0 = column halos.x()
%1 = reshape shape=[1, rows](%0)
%2 = parameters()
%3 = reshape shape=[1, 2](%2)
%4 = cumsum axis=1(%3)
%5 = transpose axes=[1, 0](%4)
%6 = multiply(%1, %5)
%7 = sum axes=[0, 1](%6)
out0 = %7
)");
}

TEST_CASE("skip zeros: sums over what a constant factor leaves, of products that are 0 for certain alone") {
  const SmallInputs in;
  const Expr lanes = expand_dims(in.x, 1) * in.params;  // [rows, 2]
  const Expr four = ag::concatenate({lanes, log(lanes)}, 1);
  const xt::xarray<double> one_lane = {0.0, 2.0}, two_lanes = {0.0, 3.0, 4.0, 0.0}, no_lanes = {0.0, 0.0};
  CHECK(after(ag::skip_zeros, {sum(ag::safe_multiply(lanes, ag::constant(one_lane)))}) == R"(
%0 = column halos.x()
%1 = reshape shape=[rows, 1](%0)
%2 = parameters()
%3 = multiply(%1, %2)
%4 = index 1, axis=1(%3)
%5 = constant 2()
%6 = safe_multiply(%4, %5)
%7 = sum axes=[0](%6)
out0 = %7
)");
  CHECK(after(ag::skip_zeros, {sum(ag::safe_multiply(ag::constant(two_lanes), four), 1)}) == R"(
%0 = constant [3, 4]()
%1 = column halos.x()
%2 = reshape shape=[rows, 1](%1)
%3 = parameters()
%4 = multiply(%2, %3)
%5 = log(%4)
%6 = concatenate axis=1(%4, %5)
%7 = slice 1:3, axis=1(%6)
%8 = safe_multiply(%0, %7)
%9 = sum axes=[1](%8)
out0 = %9
)");
  const Expr one_row = ag::constant(xt::xarray<double>{{0.0, 1.0}});  // [1, 2]
  CHECK(after(ag::skip_zeros, {sum(ag::safe_multiply(expand_dims(in.x, 1), one_row), 1)}) == R"(
%0 = column halos.x()
%1 = reshape shape=[rows, 1](%0)
%2 = index 0, axis=1(%1)
%3 = constant 1()
%4 = safe_multiply(%2, %3)
out0 = %4
)");
  for (const Expr& other : {sum(lanes * ag::constant(one_lane)), sum(ag::safe_multiply(lanes, in.params)),
                            sum(ag::safe_multiply(lanes, ag::constant(no_lanes))),
                            sum(ag::safe_multiply(lanes, ag::constant(one_lane)), 0)}) {
    CHECK(after(ag::skip_zeros, {other}) == operations({other}));
  }
  const Expr infinite = ag::constant(xt::xarray<double>{std::numeric_limits<double>::infinity(), 5.0});
  const Expr value = sum(ag::safe_multiply(infinite, ag::constant(one_lane)));
  const auto number = [](const Expr& expr) {
    return evaluate(expr, ag::parameters(1), {0.0}, self(), ag::ExecutorKind::reference);
  };
  CHECK(number(ag::skip_zeros({value})[0]) == number(value));
}

TEST_CASE("powers: exponentials of exact bases, products and roots of small exponents, no others") {
  const SmallInputs in;
  CHECK(after(ag::powers, {pow(10.0, in.x), pow(2.0, in.x), pow(0.25, in.x)}) == R"(
%0 = column halos.x()
%1 = exp10(%0)
%2 = exp2(%0)
%3 = constant -2()
%4 = multiply(%3, %0)
%5 = exp2(%4)
out0 = %1
out1 = %2
out2 = %5
)");
  CHECK(after(ag::powers, {pow(in.x, 1.0), pow(in.x, 3.0), pow(in.x, -4.0)}) == R"(
%0 = column halos.x()
%1 = square(%0)
%2 = multiply(%1, %0)
%3 = constant 1()
%4 = square(%1)
%5 = divide(%3, %4)
out0 = %0
out1 = %2
out2 = %5
)");
  CHECK(after(ag::powers, {pow(in.x, 0.0), pow(in.x, 0.5), pow(in.x, -1.5)}) == R"(
%0 = constant 1()
%1 = broadcast_to shape=[rows](%0)
%2 = column halos.x()
%3 = constant -inf()
%4 = equal(%2, %3)
%5 = constant inf()
%6 = constant 0()
%7 = add(%2, %6)
%8 = sqrt(%7)
%9 = where(%4, %5, %8)
%10 = multiply(%7, %8)
%11 = divide(%0, %10)
%12 = where(%4, %6, %11)
out0 = %1
out1 = %9
out2 = %12
)");
  CHECK(after(ag::powers, {power_below(in.x, 3.0, in.w), power_below(in.x, 0.0, in.w)}) == R"(
%0 = column halos.x()
%1 = square(%0)
%2 = constant 1()
%3 = divide(%2, %0)
out0 = %1
out1 = %3
)");
  for (const Expr& other : {pow(3.0, in.x), pow(in.x, 5.0), pow(in.x, 0.3), pow(in.x, in.w)}) {
    CHECK(after(ag::powers, {other}) == operations({other}));
  }
}

TEST_CASE("move factors: what no row changes leaves sums, and a divisor becomes a factor") {
  const SmallInputs in;
  CHECK(after(ag::move_factors, {sum(in.params[0] * in.x / in.params[1])}) == R"(
%0 = parameters()
%1 = index 0(%0)
%2 = index 1(%0)
%3 = divide(%1, %2)
%4 = reshape shape=[1](%3)
%5 = reshape shape=[](%4)
%6 = column halos.x()
%7 = sum axes=[0](%6)
%8 = multiply(%5, %7)
%9 = constant 0()
%10 = add(%8, %9)
out0 = %10
)");
  CHECK(after(ag::move_factors, {sum(-(2.0 * in.x) * (0.25 * in.w))}) == R"(
%0 = constant -0.5()
%1 = column halos.x()
%2 = column halos.w()
%3 = multiply(%1, %2)
%4 = sum axes=[0](%3)
%5 = multiply(%0, %4)
%6 = constant 0()
%7 = add(%5, %6)
out0 = %7
)");
  CHECK(after(ag::move_factors, {sum(exp(in.x / in.params[0]))}) == R"(
%0 = constant 1()
%1 = parameters()
%2 = index 0(%1)
%3 = divide(%0, %2)
%4 = column halos.x()
%5 = multiply(%3, %4)
%6 = exp(%5)
%7 = sum axes=[0](%6)
out0 = %7
)");
}

TEST_CASE("move factors: what is used whole gives its factors to sums") {
  const SmallInputs in;
  const Expr z = in.params[0] * (in.x * in.w);
  CHECK(after(ag::move_factors, {sum(exp(z)), sum(-z)}) == R"(
%0 = parameters()
%1 = index 0(%0)
%2 = column halos.x()
%3 = column halos.w()
%4 = multiply(%2, %3)
%5 = multiply(%1, %4)
%6 = exp(%5)
%7 = sum axes=[0](%6)
%8 = reshape shape=[1](%1)
%9 = reshape shape=[](%8)
%10 = neg(%9)
%11 = sum axes=[0](%4)
%12 = multiply(%10, %11)
%13 = constant 0()
%14 = add(%12, %13)
out0 = %7
out1 = %14
)");
}

TEST_CASE("move factors: a factor of each lane is multiplied when rows are summed, one of each row when lanes are") {
  const SmallInputs in;
  const Expr wide = exp(ag::expand_dims(in.x, 1) + xt::xarray<double>{1.0, 2.0});
  CHECK(after(ag::move_factors, {sum(wide * in.params)}) == R"(
%0 = column halos.x()
%1 = reshape shape=[rows, 1](%0)
%2 = constant [1, 2]()
%3 = add(%1, %2)
%4 = exp(%3)
%5 = sum axes=[0](%4)
%6 = reshape shape=[1, 2](%5)
%7 = parameters()
%8 = reshape shape=[1, 2](%7)
%9 = multiply(%6, %8)
%10 = sum axes=[0, 1](%9)
out0 = %10
)");
  CHECK(after(ag::move_factors, {sum(wide * ag::expand_dims(in.w, 1))}) == R"(
%0 = column halos.x()
%1 = reshape shape=[rows, 1](%0)
%2 = constant [1, 2]()
%3 = add(%1, %2)
%4 = exp(%3)
%5 = sum axes=[1](%4)
%6 = reshape shape=[rows, 1](%5)
%7 = column halos.w()
%8 = reshape shape=[rows, 1](%7)
%9 = multiply(%6, %8)
%10 = sum axes=[0, 1](%9)
out0 = %10
)");
}

TEST_CASE("move factors: powers of 2 leave differences of neighbours, other factors and addends stay") {
  const SmallInputs in;
  const Expr wide = ag::expand_dims(in.x, 1) + in.params;
  CHECK(after(ag::move_factors, {sum(diff(0.5 * wide), 0)}) == R"(
%0 = constant 0.5()
%1 = column halos.x()
%2 = reshape shape=[rows, 1](%1)
%3 = parameters()
%4 = add(%2, %3)
%5 = slice 1:2, axis=1(%4)
%6 = slice 0:1, axis=1(%4)
%7 = subtract(%5, %6)
%8 = sum axes=[0](%7)
%9 = multiply(%0, %8)
out0 = %9
)");
  for (const Expr& other : {sum(diff(0.3 * wide), 0), sum(in.x + in.params[0]), sum(exp(in.x) - in.w),
                            sum(where(in.x > 0.0, in.params[0] * in.x, 0.0))}) {
    CHECK(after(ag::move_factors, {other}) == operations(ag::common_subexpressions({other})));
  }
}

TEST_CASE("join sums: one sum of a sum of sums, split sums: by one that there is") {
  const SmallInputs in;
  const Expr wide = exp(ag::expand_dims(in.x, 1) + in.params), lanes = sum(wide, 1);
  CHECK(after(ag::join_sums, {sum(squeeze(expand_dims(lanes, 1), 1))}) == R"(
%0 = column halos.x()
%1 = reshape shape=[rows, 1](%0)
%2 = parameters()
%3 = add(%1, %2)
%4 = exp(%3)
%5 = sum axes=[0, 1](%4)
out0 = %5
)");
  const std::vector<Expr> both = {sum(lanes), sum(lanes * in.w)};
  CHECK(after(ag::join_sums, both) == operations(ag::common_subexpressions(both)));
  CHECK(after(ag::split_sums, {sum(wide), sum(lanes * in.w)}) == R"(
%0 = column halos.x()
%1 = reshape shape=[rows, 1](%0)
%2 = parameters()
%3 = add(%1, %2)
%4 = exp(%3)
%5 = sum axes=[1](%4)
%6 = sum axes=[0](%5)
%7 = column halos.w()
%8 = multiply(%5, %7)
%9 = sum axes=[0](%8)
out0 = %6
out1 = %9
)");
}

TEST_CASE("share functions: sigmoid of x and -x by one exponential, cosh by sinh") {
  const SmallInputs in;
  CHECK(after(ag::share_functions, {sum(sigmoid(in.x)), sum(sigmoid(in.x) * sigmoid(-in.x))}) == R"(
%0 = constant 1()
%1 = column halos.x()
%2 = neg(%1)
%3 = exp(%2)
%4 = add(%0, %3)
%5 = divide(%0, %4)
%6 = sum axes=[0](%5)
%7 = constant 0.5()
%8 = less(%5, %7)
%9 = subtract(%0, %5)
%10 = multiply(%3, %5)
%11 = where(%8, %9, %10)
%12 = multiply(%5, %11)
%13 = sum axes=[0](%12)
out0 = %6
out1 = %13
)");
  CHECK(after(ag::share_functions, {sum(sinh(in.x)), sum(cosh(in.x))}) == R"(
%0 = column halos.x()
%1 = sinh(%0)
%2 = sum axes=[0](%1)
%3 = abs(%1)
%4 = constant 1000000000()
%5 = greater(%3, %4)
%6 = constant 1()
%7 = square(%1)
%8 = add(%6, %7)
%9 = sqrt(%8)
%10 = where(%5, %3, %9)
%11 = sum axes=[0](%10)
out0 = %2
out1 = %11
)");
  for (const Expr& other : {sum(sigmoid(-in.x)), sum(cosh(in.x)), sum(sigmoid(in.x) * sigmoid(in.w))}) {
    CHECK(after(ag::share_functions, {other}) == operations({other}));
  }
}

}  // namespace test_passes_rewrites
