// Arrays with their axes and elements in another order, repeated, padded, and as views of any kind: values against
// loops over whole arrays, gradients against finite differences of these, on both executors.
#include "array_values.hpp"
#include "catch.hpp"

namespace test_shapes {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Array;
using ag::Expr;

namespace {

std::ptrdiff_t place(std::size_t axis) { return static_cast<std::ptrdiff_t>(axis); }

/// Element i of an axis is element source(i) of x.
template <class F>
Value picked(const Expr& expr, const Value& x, std::size_t axis, std::size_t count, F source) {
  Lengths positions;
  for (std::size_t i = 0; i < count; ++i) positions.push_back(source(i));
  return apply(
      expr, [=](const Array& a) { return plain_take(a, axis, positions); }, x);
}

Array plain_transpose(const Array& x, const Lengths& order) {
  Lengths shape;
  for (const std::size_t axis : order) shape.push_back(x.shape()[axis]);
  return generate(shape, [&](const Lengths& index) {
    Lengths source(index.size());
    for (std::size_t i = 0; i < order.size(); ++i) source[order[i]] = index[i];
    return element(x, source);
  });
}

Value reordered(const Expr& expr, const Value& x, const Lengths& order) {
  return apply(
      expr, [order](const Array& a) { return plain_transpose(a, order); }, x);
}

Value reshaped(const Expr& expr, const Value& x, const Lengths& shape) {
  return apply(
      expr, [shape](const Array& a) { return plain_reshape(a, shape); }, x);
}

}  // namespace

TEST_CASE("transpose, swapaxes and moveaxis, the row axis too") {
  const Inputs in = uneven_inputs();
  for (const Value& x : all_values(in)) {
    const std::size_t ndim = x.expr.ndim();
    Lengths reversed;
    for (std::size_t axis = ndim; axis-- > 0;) reversed.push_back(axis);
    check(in, reordered(transpose(x.expr), x, reversed));
    for (std::size_t a = 0; a < ndim; ++a) {
      for (std::size_t b = 0; b < ndim; ++b) {
        Lengths swapped = without_axes({0, 1, 2, 3}, {}), moved;
        swapped.resize(ndim);
        std::swap(swapped[a], swapped[b]);
        check(in, reordered(swapaxes(x.expr, place(a), place(b) - place(ndim)), x, swapped));
        for (std::size_t axis = 0; axis < ndim; ++axis) {
          if (axis != a) moved.push_back(axis);
        }
        moved.insert(moved.begin() + place(b), a);
        check(in, reordered(moveaxis(x.expr, place(a), place(b)), x, moved));
      }
    }
  }
  const Value x = in.rows_2_2_3();
  check(in, reordered(transpose(x.expr, {2, 0, 3, 1}), x, {2, 0, 3, 1}));
  const Value turned = reordered(transpose(in.matrix().expr), in.matrix(), {1, 0});
  check(in, turned * constant_value(xt::arange<double>(6.0).reshape({3, 2})));
  check(in, reshaped(reshape(turned.expr, {-1}), turned, {6}));
  check(in, apply(
                sum(turned.expr, 0), [](const Array& a) { return plain_sum(a, {0}); }, turned));
}

TEST_CASE("flip, roll, tile, repeat and pad along every lane axis") {
  const Inputs in = uneven_inputs();
  for (const Value& x : all_values(in)) {
    for (const std::size_t axis : lane_axes(x)) {
      const std::size_t n = x.expr.shape()[axis].length;
      check(in, picked(flip(x.expr, place(axis)), x, axis, n, [=](std::size_t i) { return n - 1 - i; }));
      check(in, picked(roll(x.expr, 1, place(axis)), x, axis, n, [=](std::size_t i) { return (i + n - 1) % n; }));
      check(in, picked(roll(x.expr, -4, place(axis)), x, axis, n, [=](std::size_t i) { return (i + 4) % n; }));
      check(in, picked(tile(x.expr, 3, place(axis)), x, axis, 3 * n, [=](std::size_t i) { return i % n; }));
      check(in, picked(repeat(x.expr, 2, place(axis)), x, axis, 2 * n, [=](std::size_t i) { return i / 2; }));
      const auto plain_pad = [axis](const Array& a) {
        Lengths before = shape_of(a), after = shape_of(a);
        before[axis] = 2;
        after[axis] = 1;
        const auto fill = [](const Lengths&) { return 0.25; };
        return plain_concatenate(plain_concatenate(generate(before, fill), a, axis), generate(after, fill), axis);
      };
      check(in, apply(pad(x.expr, 2, 1, place(axis), 0.25), plain_pad, x));
      check(in, {pad(x.expr, 0, 0, place(axis)), x.plain});
    }
  }
  const Value x = in.two_rows_3();
  const auto flip_lanes = [](const Array& a) { return plain_take(plain_take(a, 0, {1, 0}), 2, {2, 1, 0}); };
  check(in, apply(flip(x.expr), flip_lanes, x));
}

TEST_CASE("reshape with one length left open, and over the lanes of values per row") {
  const Inputs in = uneven_inputs();
  const Value p = in.params(), wide = in.rows_6(), deep = in.rows_2_2_3(), six = in.six_rows();
  const ag::Extent rows = wide.expr.shape()[0];
  const std::size_t total = rows.rows->total_rows;
  check(in, reshaped(reshape(p.expr, {-1, 2}), p, {3, 2}));
  check(in, reshaped(reshape(in.matrix().expr, {-1}), in.matrix(), {6}));
  check(in, reshaped(ravel(in.matrix().expr), in.matrix(), {6}));
  check(in, reshaped(reshape(wide.expr, {-1, 2, 3}), wide, {total, 2, 3}));
  check(in, reshaped(reshape(wide.expr, {rows, 3, -1}), wide, {total, 3, 2}));
  check(in, reshaped(reshape(deep.expr, {rows, -1}), deep, {total, 12}));
  check(in, reshaped(reshape(deep.expr, {-1, 4, 3}), deep, {total, 4, 3}));
  check(in, reshaped(reshape(six.expr, {2, -1, rows}), six, {2, 3, total}));
  check(in, reshaped(reshape(in.rows().expr, {1, -1}), in.rows(), {1, total}));
}

TEST_CASE("view goes backwards, has new axes, and an ellipsis") {
  const Inputs in = uneven_inputs();
  constexpr std::ptrdiff_t end = ag::Range::end, low = std::numeric_limits<std::ptrdiff_t>::min();
  const auto view_last = [](const Value& x, const ag::Range& range, const Lengths& positions) {
    const std::size_t axis = x.expr.ndim() - 1;
    return apply(
        view(x.expr, ag::ellipsis(), range), [=](const Array& a) { return plain_take(a, axis, positions); }, x);
  };
  for (const Value& x : {in.params(), in.rows_6()}) {
    check(in, view_last(x, ag::range(end, end, -1), {5, 4, 3, 2, 1, 0}));
    check(in, view_last(x, ag::range(-1, low, -2), {5, 3, 1}));
    check(in, view_last(x, ag::range(4, 1, -1), {4, 3, 2}));
    check(in, view_last(x, ag::range(4, -6, -3), {4, 1}));
    check(in, view_last(x, ag::range(100, end, low), {5}));
    check(in, view_last(x, ag::range(1, 4, -1), {}));
    check(in, view_last(x, ag::range(3, 4), {3}));
  }
  const Value x = in.two_rows_3();
  const auto with_axis = [&](const Expr& expr, std::size_t axis) {
    return apply(
        expr, [axis](const Array& a) { return plain_expand(a, axis); }, x);
  };
  check(in, with_axis(view(x.expr, ag::newaxis()), 0));
  check(in, with_axis(view(x.expr, ag::all(), ag::newaxis()), 1));
  check(in, with_axis(view(x.expr, ag::ellipsis(), ag::newaxis()), 3));
  const auto plain = [](const Array& a) { return plain_expand(plain_squeeze(plain_take(a, 2, {1}), 2), 1); };
  check(in, apply(view(x.expr, ag::all(), ag::newaxis(), ag::ellipsis(), 1), plain, x));
  check(in, apply(
                view(x.expr, 0, ag::ellipsis()), [](const Array& a) { return plain_squeeze(plain_take(a, 0, {0}), 0); },
                x));
}

}  // namespace test_shapes
