// Arrays: wrong uses of reductions, contractions, lookups and changes of shape are refused where they are written, with
// what to do instead.
#include <xtensor/xarray.hpp>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"

namespace test_array_errors {

namespace ag = allgrad;
using ag::ExpressionError;

namespace {

const ag::Expr& x() {
  static const ag::Expr x = ag::Table("halos", {{"x", xt::xarray<double>{1.0, 2.0, 3.0}}})["x"];
  return x;
}

ag::Expr wide() { return expand_dims(x(), 1) * xt::xarray<double>{1.0, 2.0}; }  // [rows, 2]

ag::Expr zeros(const std::vector<std::size_t>& shape) { return ag::constant(xt::zeros<double>(shape)); }

using Parts = std::vector<std::string>;

}  // namespace

/// The expression throws with the line that it is on and these parts in the message.
#define CHECK_REFUSED(parts, ...)                                        \
  ag::testing::check_error<ExpressionError>(parts, [&](unsigned& line) { \
    line = __LINE__;                                                     \
    __VA_ARGS__;                                                         \
  })

TEST_CASE("reductions misused") {
  CHECK_REFUSED((Parts{"prod([rows]): ", "product over rows", "sum(log(x), 0)"}), prod(x()));
  CHECK_REFUSED((Parts{"var([2, 3]): ", "axis 2 is out of bounds"}), var(zeros({2, 3}), 2));
  CHECK_REFUSED((Parts{"logsumexp([2]): ", "axes [0, 0] name an axis twice"}), logsumexp(zeros({2}), {0, 0}));
  CHECK_REFUSED((Parts{"amax([2, 0]): ", "axis 1 has no elements"}), amax(zeros({2, 0}), 1));
  CHECK_REFUSED((Parts{"argmin([rows], 0): ", "rows lie on several ranks", "where("}), argmin(x(), 0));
  CHECK_REFUSED((Parts{"argmax([0]): ", "has no elements"}), argmax(zeros({0})));
  CHECK_REFUSED((Parts{"average([rows, 2]): ", "weights that broadcast", "got shape [rows]", "expand_dims"}),
                ag::average(wide(), x(), 0));
  CHECK_REFUSED((Parts{"empty Expr"}), softmax(ag::Expr()));
}

TEST_CASE("shapes misused") {
  CHECK_REFUSED((Parts{"transpose of [2, 3]: ", "each of its 2 axes once, got [0, 0]"}),
                transpose(zeros({2, 3}), {0, 0}));
  CHECK_REFUSED((Parts{"transpose of [2, 3]: ", "each of its 2 axes once, got [1]"}), transpose(zeros({2, 3}), 1));
  CHECK_REFUSED((Parts{"swapaxes of [2]: ", "axis 1 is out of bounds"}), swapaxes(zeros({2}), 0, 1));
  CHECK_REFUSED((Parts{"moveaxis of [2]: ", "axis -2 is out of bounds"}), moveaxis(zeros({2}), 0, -2));
  CHECK_REFUSED((Parts{"flip([rows, 2]): ", "rows have no order"}), flip(wide(), 0));
  CHECK_REFUSED((Parts{"diff([], 1, -1): ", "a value without axes has no differences"}), diff(zeros({})));
  CHECK_REFUSED((Parts{"concatenate", "use stack to join numbers"}), ag::concatenate({zeros({}), zeros({})}));
  CHECK_REFUSED((Parts{"roll([rows], 0): ", "rows have no order"}), roll(x(), 1, 0));
  CHECK_REFUSED((Parts{"tile([rows], 0): ", "rows have no order"}), tile(x(), 2, 0));
  CHECK_REFUSED((Parts{"repeat([2], 1): ", "axis 1 is out of bounds"}), repeat(zeros({2}), 2, 1));
  CHECK_REFUSED((Parts{"tile([2], 18446744073709551615): ", "more elements than any memory"}),
                tile(zeros({2}), static_cast<std::size_t>(-1)));
  CHECK_REFUSED((Parts{"repeat([2], 17592186044416): ", "more elements than any memory"}),
                repeat(zeros({2}), std::size_t{1} << 44));
  CHECK_REFUSED((Parts{"more elements than any memory"}), pad(zeros({2}), 0, static_cast<std::size_t>(-1)));
  CHECK_REFUSED((Parts{"roll([2]): ", "a shift below 2^63, got 18446744073709551615"}),
                roll(zeros({2}), static_cast<std::size_t>(-1)));
  CHECK_REFUSED((Parts{"pad([rows], -1): ", "belong to a table"}), pad(x(), 1, 1));
  CHECK_REFUSED((Parts{"pad([2]): ", "one number to pad with", "got shape [3]"}), pad(zeros({2}), 1, 1, 0, zeros({3})));
  CHECK_REFUSED((Parts{"ravel([rows, 2]): ", "reshape(x, {-1, lanes})"}), ravel(wide()));
  CHECK_REFUSED((Parts{"reshape([6]): ", "at most one length -1"}), reshape(zeros({6}), {-1, -1}));
  CHECK_REFUSED((Parts{"reshape([6]): ", "lengths of at least 0, or -1, got -2"}), reshape(zeros({6}), {3, -2}));
  CHECK_REFUSED((Parts{"reshape([6]): ", "6 elements do not fill axes of 4"}), reshape(zeros({6}), {4, -1}));
  CHECK_REFUSED((Parts{"reshape([6]): ", "6 elements do not fill axes of 0"}), reshape(zeros({6}), {0, -1}));
  CHECK_REFUSED((Parts{"view of [2]: ", "2 ellipses; give at most one"}),
                view(zeros({2}), ag::ellipsis(), ag::ellipsis()));
  CHECK_REFUSED((Parts{"view of [2]: ", "2 slices for 1 axes"}), view(zeros({2}), ag::ellipsis(), 0, 0));
  CHECK_REFUSED((Parts{"view of [rows, 2]: ", "row axis cannot be sliced"}), view(wide(), 0, ag::ellipsis()));
}

TEST_CASE("scans misused") {
  CHECK_REFUSED((Parts{"cumprod([rows], 0): ", "no running products"}), cumprod(x(), 0));
  CHECK_REFUSED((Parts{"trapezoid([rows], -1): ", "no order to integrate along"}), trapezoid(x()));
  CHECK_REFUSED((Parts{"trapezoid([3], [2]): ", "positions of shape [3]", "distance"}),
                trapezoid(zeros({3}), zeros({2})));
  CHECK_REFUSED((Parts{"simpson([0], []): ", "at least one point"}), simpson(zeros({0})));
  CHECK_REFUSED((Parts{"cumulative_trapezoid([2], 1): ", "axis 1 is out"}), cumulative_trapezoid(zeros({2}), 1.0, 1));
}

TEST_CASE("contractions misused") {
  CHECK_REFUSED((Parts{"dot([2, 3], [2, 3]): ", "axis 1 of the first operand, of length 3", "axis 0", "of length 2"}),
                dot(zeros({2, 3}), zeros({2, 3})));
  CHECK_REFUSED((Parts{"dot([rows], [3]): ", "of length the rows of table \"halos\"", "of length 3"}),
                dot(x(), zeros({3})));
  CHECK_REFUSED((Parts{"matmul([], [3]): ", "use *"}), matmul(1.0, zeros({3})));
  CHECK_REFUSED((Parts{"matmul([2, 1, 3], [4, 3, 1]): ", "axes before the last two", "lengths 2 and 4"}),
                matmul(zeros({2, 1, 3}), zeros({4, 3, 1})));
  CHECK_REFUSED((Parts{"outer([2, 2], [3]): ", "two vectors", "ravel"}), outer(zeros({2, 2}), zeros({3})));
  CHECK_REFUSED((Parts{"tensordot([2], [2]): ", "at most as many axes", "got 2"}), tensordot(zeros({2}), zeros({2})));
  CHECK_REFUSED((Parts{"tensordot([2, 3], [2]): ", "as many axes of the first operand"}),
                tensordot(zeros({2, 3}), zeros({2}), {0, 1}, 0));
  CHECK_REFUSED((Parts{"tensordot([2, 2], [2, 2]): ", "each axis once"}),
                tensordot(zeros({2, 2}), zeros({2, 2}), {0, 0}, {0, 1}));
  const ag::Expr m = zeros({2, 3});
  CHECK_REFUSED((Parts{"einsum(\"ij,jk->ik\"): ", "letter j stands for axes of lengths 3 and 2"}),
                ag::einsum("ij,jk->ik", {m, m}));
  CHECK_REFUSED((Parts{"einsum(\"ij\"): ", "letters for 2 operands, got them for 1"}), ag::einsum("ij", {m, m}));
  CHECK_REFUSED((Parts{"einsum(\"i->i\"): ", "has 1 letters for a value of shape [2, 3]"}), ag::einsum("i->i", {m}));
  CHECK_REFUSED((Parts{"einsum(\"ii\"): ", "the letter i stands for axes of lengths 2 and 3 of one operand"}),
                ag::einsum("ii", {m}));
  CHECK_REFUSED((Parts{"einsum(\"ij->ii\"): ", "the letter i is in the result twice"}), ag::einsum("ij->ii", {m}));
  CHECK_REFUSED((Parts{"einsum(\"...j->j\"): ", "the axes of \"...\" are in no place of the result"}),
                ag::einsum("...j->j", {m}));
  CHECK_REFUSED((Parts{"einsum(\"...ijk\"): ", "has 3 letters for a value of shape [2, 3]"}),
                ag::einsum("...ijk", {m}));
  CHECK_REFUSED((Parts{"the result has the letter k"}), ag::einsum("ij->k", {m}));
  CHECK_REFUSED((Parts{"expected letters, commas", "got '.'"}), ag::einsum("..j", {m}));
  CHECK_REFUSED((Parts{"at most one \"...\" for each operand", "got '.'"}), ag::einsum("...i...", {m}));
  CHECK_REFUSED((Parts{"einsum", "at least one operand"}), ag::einsum("", {}));
  CHECK_REFUSED((Parts{"two row axes"}), outer(x(), ag::Table("galaxies", {{"y", xt::xarray<double>{1.0}}})["y"]));
}

TEST_CASE("lookups misused") {
  CHECK_REFUSED((Parts{"take([rows], 0): ", "gather"}), take(x(), x(), 0));
  CHECK_REFUSED((Parts{"gather([], [rows]): ", "an array [n, ..]"}), gather(zeros({}), x()));
  CHECK_REFUSED((Parts{"take([rows, 2], [3]): ", "do not align"}), take(wide(), zeros({3})));
  CHECK_REFUSED((Parts{"segment_sum([rows, 2]): ", "got shape [rows, 2]"}), segment_sum(wide(), wide(), 4));
  CHECK_REFUSED((Parts{"segment_sum([3]): ", "got shape [rows]"}), segment_sum(zeros({3}), x(), 4));
  CHECK_REFUSED((Parts{"broadcast_to([rows, 2]): "}), ag::histogram(x(), wide(), 4));
  CHECK_REFUSED((Parts{"searchsorted([rows], [rows]): ", "a last axis of lanes", "rows have no order"}),
                searchsorted(x(), x()));
  const xt::xarray<double> xp = {0.0, 2.0, 1.0};
  CHECK_REFUSED((Parts{"interp([rows], [3], [3]): ", "increase, got 2 before 1 (number 1)"}), ag::interp(x(), xp, xp));
  CHECK_REFUSED((Parts{"interp([rows], [3], [2]): ", "as many positions as values"}), ag::interp(x(), xp, zeros({2})));
  CHECK_REFUSED((Parts{"interp([rows], [1], [1]): ", "at least two points"}), ag::interp(x(), zeros({1}), zeros({1})));
  CHECK_REFUSED((Parts{"interp_cubic([rows], [3], [3]): ", "expected constants [n]", "interp takes that, too"}),
                ag::interp_cubic(x(), zeros({3}) + ag::parameters(1), zeros({3})));
  CHECK_REFUSED((Parts{"soft_histogram([rows]): ", "a vector of at least two edges, got shape [1]"}),
                ag::soft_histogram(x(), zeros({1}), 1.0));
  CHECK_REFUSED((Parts{"soft_histogram: expected edges and a width for each dimension", "got 2 values, 1 vectors"}),
                ag::soft_histogram({x(), x()}, {zeros({3})}, {1.0, 1.0}));
  CHECK_REFUSED((Parts{"soft_histogram: of the values and weights, shapes [rows] and [3] do not broadcast"}),
                ag::soft_histogram({x(), zeros({3})}, {zeros({3}), zeros({3})}, {1.0, 1.0}));
}

}  // namespace test_array_errors
