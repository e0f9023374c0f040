// Reductions, shapes and parts of arrays: values against loops over whole arrays of all rows, gradients against finite
// differences of these, on both executors.
#include <limits>

#include "array_values.hpp"
#include "catch.hpp"

namespace test_arrays {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Array;
using ag::Expr;

namespace {

/// As an argument of sum and mean.
ag::Axes axes_of(const std::vector<std::ptrdiff_t>& a) {
  switch (a.size()) {
    case 1: return a[0];
    case 2: return {a[0], a[1]};
    case 3: return {a[0], a[1], a[2]};
    default: return {a[0], a[1], a[2], a[3]};
  }
}

/// start, start + step, ..., `count` of them.
Lengths positions(std::size_t start, std::size_t count, std::size_t step = 1) {
  Lengths result;
  for (std::size_t i = 0; i < count; ++i) result.push_back(start + i * step);
  return result;
}

/// A slice of one axis, the ones before it taken whole.
Expr view_axis(const Expr& x, std::size_t axis, const ag::Slice& slice) {
  std::vector<ag::Slice> slices(axis, ag::all());
  slices.push_back(slice);
  return view(x, slices);
}

/// The elements at `positions` of an axis, as `slice` is to take them.
Value view_of(const Value& x, std::size_t axis, const ag::Range& slice, const Lengths& positions) {
  return apply(
      view_axis(x.expr, axis, slice), [=](const Array& a) { return plain_take(a, axis, positions); }, x);
}

/// The element at `position` of an axis, which `expr` lacks.
Value element_of(const Expr& expr, const Value& x, std::size_t axis, std::size_t position) {
  return apply(
      expr, [=](const Array& a) { return plain_squeeze(plain_take(a, axis, {position}), axis); }, x);
}

Value diff_of(const Value& x, std::size_t n, std::size_t axis) {
  const auto plain = [n, axis](Array a) {
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t count = a.shape()[axis] - 1;
      a = plain_take(a, axis, positions(1, count)) - plain_take(a, axis, positions(0, count));
    }
    return a;
  };
  return apply(diff(x.expr, n, static_cast<std::ptrdiff_t>(axis)), plain, x);
}

Value cumsum_of(const Value& x, std::size_t axis, bool reverse) {
  const auto plain = [axis, reverse](const Array& a) {
    const Lengths shape(a.shape().begin(), a.shape().end());
    return generate(shape, [&](const Lengths& index) {
      double sum = 0.0;
      const std::size_t first = reverse ? index[axis] : 0, last = reverse ? shape[axis] - 1 : index[axis];
      for (std::size_t i = first; i <= last; ++i) {
        Lengths at = index;
        at[axis] = i;
        sum += element(a, at);
      }
      return sum;
    });
  };
  return apply(cumsum(x.expr, static_cast<std::ptrdiff_t>(axis), reverse), plain, x);
}

Value joined(const Expr& expr, const Value& x, const Value& y, std::size_t axis) {
  return apply(
      expr, [axis](const Array& a, const Array& b) { return plain_concatenate(a, b, axis); }, x, y);
}

Value concatenated(const Value& x, const Value& y, std::size_t axis) {
  return joined(ag::concatenate({x.expr, y.expr}, static_cast<std::ptrdiff_t>(axis)), x, y, axis);
}

Value summed(const Value& x, std::size_t axis) {
  return apply(
      sum(x.expr, static_cast<std::ptrdiff_t>(axis)), [=](const Array& a) { return plain_sum(a, {axis}); }, x);
}

}  // namespace

TEST_CASE("sum and mean over every choice of axes") {
  const Inputs in = uneven_inputs();
  for (const Value& x : all_values(in)) {
    const std::size_t ndim = x.expr.ndim();
    for (std::size_t choice = 1; choice < (std::size_t{1} << ndim); ++choice) {
      Lengths axes;
      std::vector<std::ptrdiff_t> named;  // every second one is counted from the end
      for (std::size_t axis = 0; axis < ndim; ++axis) {
        if ((choice >> axis & 1) == 0) continue;
        axes.push_back(axis);
        named.push_back(static_cast<std::ptrdiff_t>(axis) - (axis % 2 == 0 ? 0 : static_cast<std::ptrdiff_t>(ndim)));
      }
      check(in, apply(
                    sum(x.expr, axes_of(named)), [=](const Array& a) { return plain_sum(a, axes); }, x));
      check(in, apply(
                    mean(x.expr, axes_of(named)), [=](const Array& a) { return plain_mean(a, axes); }, x));
    }
    const Lengths axes = positions(0, ndim);
    check(in, apply(
                  sum(x.expr), [=](const Array& a) { return plain_sum(a, axes); }, x));
    check(in, apply(
                  mean(x.expr), [=](const Array& a) { return plain_mean(a, axes); }, x));
  }
}

TEST_CASE("expand_dims and squeeze at every axis") {
  const Inputs in = uneven_inputs();
  for (const Value& x : all_values(in)) {
    const auto ndim = static_cast<std::ptrdiff_t>(x.expr.ndim());
    for (std::ptrdiff_t axis = 0; axis <= ndim; ++axis) {
      const Value expanded = expand(x, static_cast<std::size_t>(axis));
      check(in, expanded);
      check(in, {expand_dims(x.expr, axis - ndim - 1), expanded.plain});
      check(in, {squeeze(expanded.expr, axis), x.plain});
      check(in, {squeeze(expanded.expr, axis - ndim - 1), x.plain});
    }
  }
}

TEST_CASE("reshape keeps the order of elements, whatever is reshaped") {
  const Inputs in = uneven_inputs();
  const auto reshaped = [](const Value& x, const Lengths& shape) {
    return apply(
        reshape(x.expr, shape), [=](const Array& a) { return plain_reshape(a, shape); }, x);
  };
  check(in, reshaped(in.params(), {3, 2}));
  check(in, reshaped(in.params(), {1, 6, 1}));
  check(in, reshaped(reshaped(in.params(), {3, 2}), {2, 3}));
  check(in, reshaped(view_of(in.matrix(), 1, ag::range(1, 3), {1, 2}), {4}));  // with gaps
  check(in, reshaped(view_of(in.params(), 0, ag::range(1, 6, 2), {1, 3, 5}), {3, 1}));
  const Value stretched = apply(
      ag::broadcast_to(in.params().expr, {2, 6}),
      [](const Array& a) {
        return plain_broadcast(a, {2, 6});
      },
      in.params());
  check(in, reshaped(stretched, {3, 4}));
  check(in, reshaped(summed(in.six_rows(), 1), {2, 3}));  // of a share
}

TEST_CASE("broadcast_to stretches missing axes and axes of length 1") {
  const Inputs in = uneven_inputs();
  const Value u = in.column("u");
  const ag::Extent rows = u.expr.shape()[0];
  const auto stretched = [&](const Value& x, const ag::Shape& shape) {
    const auto plain = [=, total = rows.rows->total_rows](const Array& a) {
      Lengths lengths;
      for (const ag::Extent& extent : shape) lengths.push_back(extent.is_rows() ? total : extent.length);
      return plain_broadcast(a, lengths);
    };
    return apply(ag::broadcast_to(x.expr, shape), plain, x);
  };
  check(in, stretched(in.params(), {2, 6}));
  check(in, stretched(expand(in.params(), 1), {6, 3}));
  check(in, stretched(in.scalar(), {2, 2}));
  check(in, stretched(in.scalar(), {rows}));
  check(in, stretched(in.params(), {rows, 6}));
  check(in, stretched(expand(in.params(), 1), {6, rows}));
  check(in, stretched(in.rows(), {4, rows}));
  check(in, stretched(expand(in.rows(), 1), {2, rows, 3}));
  check(in, stretched(in.params(), {0, 6}));
  check(in, stretched(summed(in.rows_6(), 0), {2, 6}));  // of a share
}

TEST_CASE("view takes ranges, steps and indices of every lane axis") {
  const Inputs in = uneven_inputs();
  for (const Value& x : all_values(in)) {
    for (const std::size_t axis : lane_axes(x)) {
      const std::size_t n = x.expr.shape()[axis].length;
      const auto length = static_cast<std::ptrdiff_t>(n);
      check(in, view_of(x, axis, ag::all(), positions(0, n)));
      check(in, view_of(x, axis, ag::range(0, length - 1), positions(0, n - 1)));
      check(in, view_of(x, axis, ag::range(1, ag::Range::end), positions(1, n - 1)));
      check(in, view_of(x, axis, ag::range(-2, -1), {n - 2}));
      check(in, view_of(x, axis, ag::range(0, 100, 2), positions(0, (n + 1) / 2, 2)));
      check(in, view_of(x, axis, ag::range(1, length, 3), positions(1, (n + 1) / 3, 3)));
      check(in, view_of(x, axis, ag::range(1, 1), {}));
      check(in, element_of(view_axis(x.expr, axis, 0), x, axis, 0));
      check(in, element_of(view_axis(x.expr, axis, n - 1), x, axis, n - 1));
      check(in, element_of(view_axis(x.expr, axis, -2), x, axis, n - 2));
    }
  }
  const Value x = in.rows_2_2_3();
  const auto plain = [](const Array& a) {
    return plain_take(plain_squeeze(plain_squeeze(plain_take(plain_take(a, 1, {1}), 2, {0}), 2), 1), 1, {0, 2});
  };
  check(in, apply(view(x.expr, ag::all(), 1, -2, ag::range(0, 3, 2)), plain, x));
}

TEST_CASE("view takes ranges that begin, end and step as far as integers go") {
  const Inputs in = uneven_inputs();
  constexpr std::ptrdiff_t huge = ag::Range::end, low = std::numeric_limits<std::ptrdiff_t>::min();
  for (const Value& x : {in.params(), in.rows_6()}) {
    const std::size_t axis = x.expr.ndim() - 1;
    check(in, view_of(x, axis, ag::range(0, huge, huge), {0}));
    check(in, view_of(x, axis, ag::range(low, huge, huge - 1), {0}));
    check(in, view_of(x, axis, ag::range(1, huge, huge), {1}));
    check(in, view_of(x, axis, ag::range(huge, huge, huge), {}));
    check(in, view_of(x, axis, ag::range(0, low, huge), {}));
  }
}

TEST_CASE("operator[] takes an element of the first axis") {
  const Inputs in = uneven_inputs();
  for (const Value& x : {in.params(), in.matrix(), in.six_rows(), in.two_rows_3(), summed(in.rows_6(), 0)}) {
    const std::size_t last = x.expr.shape()[0].length - 1;
    check(in, element_of(x.expr[0], x, 0, 0));
    check(in, element_of(x.expr[last], x, 0, last));
    check(in, element_of(x.expr[-1], x, 0, last));
  }
}

TEST_CASE("diff along every lane axis") {
  const Inputs in = uneven_inputs();
  for (const Value& x : all_values(in)) {
    for (const std::size_t axis : lane_axes(x)) {
      for (std::size_t n = 0; n <= std::min<std::size_t>(3, x.expr.shape()[axis].length); ++n) {
        check(in, diff_of(x, n, axis));
      }
    }
  }
  const Value x = in.two_rows_3();
  check(in, {diff(x.expr), diff_of(x, 1, 2).plain});
  check(in, {diff(x.expr, 2, -1), diff_of(x, 2, 2).plain});
}

TEST_CASE("cumsum along every lane axis, from either end") {
  const Inputs in = uneven_inputs();
  for (const Value& x : all_values(in)) {
    for (const std::size_t axis : lane_axes(x)) {
      for (const bool reverse : {false, true}) check(in, cumsum_of(x, axis, reverse));
      const Value some =
          view_of(x, axis, ag::range(0, Inputs::num_params, 2), positions(0, (x.expr.shape()[axis].length + 1) / 2, 2));
      check(in, cumsum_of(some, axis, false));
    }
  }
  check(in, {cumsum(in.two_rows_3().expr), cumsum_of(in.two_rows_3(), 2, false).plain});
}

TEST_CASE("concatenate and stack along every lane axis") {
  const Inputs in = uneven_inputs();
  for (const Value& x : all_values(in)) {
    const Value y = x * constant_value(Array(0.7));
    const auto ndim = static_cast<std::ptrdiff_t>(x.expr.ndim());
    for (const std::size_t axis : lane_axes(x)) {
      check(in, concatenated(x, y, axis));
      check(in, {ag::concatenate({x.expr, y.expr}, static_cast<std::ptrdiff_t>(axis) - ndim),
                 concatenated(x, y, axis).plain});
      check(in, concatenated(view_of(x, axis, ag::range(1, 2), {1}), y, axis));
      check(in, concatenated(x, view_of(y, axis, ag::range(0, 0), {}), axis));
      check(in, concatenated(x, concatenated(y, x, axis), axis));
    }
    for (std::size_t axis = 0; axis <= x.expr.ndim(); ++axis) {
      const Value stacked = concatenated(expand(x, axis), expand(y, axis), axis);
      check(in, {ag::stack({x.expr, y.expr}, static_cast<std::ptrdiff_t>(axis)), stacked.plain});
      check(in, {ag::stack({x.expr, y.expr}, static_cast<std::ptrdiff_t>(axis) - ndim - 1), stacked.plain});
    }
  }
  const Value share = summed(in.rows_6(), 0), known = in.params();
  check(in, concatenated(share, known, 0));
  check(in, concatenated(share, share * constant_value(Array(0.7)), 0));
}

TEST_CASE("values with an axis of length 0") {
  const Inputs in = uneven_inputs();
  for (const Value& x : {in.matrix(), in.rows_6(), in.two_rows_3()}) {
    const std::size_t axis = lane_axes(x).back();
    const Value none = view_of(x, axis, ag::range(2, 2), {});
    check(in, none);
    check(in, none * none);
    check(in, summed(none, axis));
    check(in, concatenated(summed(expand(none, 0), axis + 1), summed(expand(x, 0), axis + 1), 0));
  }
}

TEST_CASE("any number of rows on a rank, at the borders of batches and tiles") {
  const Lengths counts = {0, 1, 3, 4, 5, 15, 16, 17, 1000, 1023, 1024, 1025, 5000};
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto rotated = [&](std::size_t rank) { return counts[(i + 5 * rank) % counts.size()]; };
    if (rows_of_all({rotated(0), rotated(1), rotated(2)}) == 0) continue;
    const Inputs in({rotated(0), rotated(1), rotated(2)});
    INFO(counts[i] << " rows on rank 0");
    check(in, in.rows());
    check(in, summed(in.rows_6(), 0));
    check(in, summed(in.six_rows(), 0));
    check(in, diff_of(in.rows_2_2_3(), 1, 3));
  }
}

TEST_CASE("values so wide that a tile has a few rows only") {
  const Array wide = xt::linspace(-1.0, 2.0, 400);
  for (const std::size_t count : {0U, 1U, 15U, 16U, 17U, 33U}) {
    if (rows_of_all({count, 33 - count, 16}) == 0) continue;
    const Inputs in({count, 33 - count, 16});
    INFO(count << " rows on rank 0");
    const Value x = expand(in.rows(), 1) * constant_value(wide);
    check(in, x);
    check(in, summed(x, 0));
    check(in, summed(x, 1));
    check(in, diff_of(x, 1, 1));
  }
}

}  // namespace test_arrays
