#pragma once

// Values written twice: as an expression, and as loops over whole arrays of all rows of all ranks.

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>
#include <xtensor/xadapt.hpp>

#include "catch.hpp"
#include "evaluation.hpp"
#include "graph/operator.hpp"
#include "graph/shape.hpp"

namespace allgrad::testing {

using Lengths = std::vector<std::size_t>;

inline Lengths shape_of(const Array& x) { return {x.shape().begin(), x.shape().end()}; }

inline double element(const Array& x, const Lengths& index) { return x.element(index.begin(), index.end()); }

/// Calls body(index) for each index of an array, in row-major order.
template <class F>
void for_each_index(const Lengths& shape, F body) {
  std::size_t size = 1;
  for (std::size_t length : shape) size *= length;
  Lengths index(shape.size());
  for (std::size_t i = 0; i < size; ++i) {
    body(index);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

/// The array of a function of the index.
template <class F>
Array generate(const Lengths& shape, F function) {
  Array result = Array::from_shape(shape);
  std::size_t i = 0;
  for_each_index(shape, [&](const Lengths& index) { result.flat(i++) = function(index); });
  return result;
}

inline Lengths without_axes(const Lengths& lengths, const Lengths& axes) {
  Lengths result;
  for (std::size_t axis = 0; axis < lengths.size(); ++axis) {
    if (std::ranges::find(axes, axis) == axes.end()) result.push_back(lengths[axis]);
  }
  return result;
}

inline Array plain_sum(const Array& x, const Lengths& axes) {
  Array result = xt::zeros<double>(without_axes(shape_of(x), axes));
  for_each_index(shape_of(x), [&](const Lengths& index) {
    const Lengths kept = without_axes(index, axes);
    result.element(kept.begin(), kept.end()) += element(x, index);
  });
  return result;
}

inline Array plain_mean(const Array& x, const Lengths& axes) {
  double count = 1.0;
  for (std::size_t axis : axes) count *= static_cast<double>(x.shape()[axis]);
  return plain_sum(x, axes) / count;
}

/// The elements at these positions of an axis.
inline Array plain_take(const Array& x, std::size_t axis, const Lengths& positions) {
  Lengths shape = shape_of(x);
  shape[axis] = positions.size();
  return generate(shape, [&](Lengths index) {
    index[axis] = positions[index[axis]];
    return element(x, index);
  });
}

inline Array plain_reshape(Array x, const Lengths& shape) {
  x.reshape(shape);
  return x;
}

inline Array plain_expand(const Array& x, std::size_t axis) {
  Lengths shape = shape_of(x);
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), 1);
  return plain_reshape(x, shape);
}

inline Array plain_squeeze(const Array& x, std::size_t axis) {
  return plain_reshape(x, without_axes(shape_of(x), {axis}));
}

inline Array plain_broadcast(const Array& x, const Lengths& shape) {
  return generate(shape, [&](const Lengths& index) {
    Lengths source(index.end() - static_cast<std::ptrdiff_t>(x.dimension()), index.end());
    for (std::size_t axis = 0; axis < source.size(); ++axis) source[axis] %= x.shape()[axis];
    return element(x, source);
  });
}

inline Array plain_concatenate(const Array& x, const Array& y, std::size_t axis) {
  Lengths shape = shape_of(x);
  shape[axis] += y.shape()[axis];
  return generate(shape, [&](Lengths index) {
    if (index[axis] < x.shape()[axis]) return element(x, index);
    index[axis] -= x.shape()[axis];
    return element(y, index);
  });
}

struct Value {
  Expr expr;
  std::function<Array(const Array& params)> plain;
};

/// What `expr` is in terms of the operands' plain values.
template <class F, class... V>
Value apply(Expr expr, F plain, const V&... operands) {
  return {std::move(expr), [plain, ... f = operands.plain](const Array& params) { return Array(plain(f(params)...)); }};
}

inline Value operator*(const Value& x, const Value& y) {
  return apply(
      x.expr * y.expr, [](const Array& a, const Array& b) { return Array(a * b); }, x, y);
}

inline Value constant_value(const Array& x) {
  return {constant(x), [x](const Array&) { return x; }};
}

/// x with an axis of length 1 before `axis`.
inline Value expand(const Value& x, std::size_t axis) {
  const auto plain = [axis](const Array& a) { return plain_expand(a, axis); };
  return apply(expand_dims(x.expr, static_cast<std::ptrdiff_t>(axis)), plain, x);
}

/// The rows that ranks of the world have together, of which a table needs some; ranks beyond the list's end start over.
inline std::size_t rows_of_all(const Lengths& rows_on_ranks) {
  std::size_t rows = 0;
  const auto size = static_cast<std::size_t>(Communicator::world().size());
  for (std::size_t rank = 0; rank < size; ++rank) rows += rows_on_ranks[rank % rows_on_ranks.size()];
  return rows;
}

/// What values are made of: parameters [6] and a table with the columns u and v.
class Inputs {
 public:
  /// Rank r holds rows_on_ranks[r] rows, and so on from the first number again.
  explicit Inputs(const Lengths& rows_on_ranks)
      : table_(make_table(rows_on_ranks, Communicator::world())), params_(parameters(num_params)) {}

  static constexpr std::size_t num_params = 6;
  const Expr& parameter_vector() const { return params_; }
  const Communicator& communicator() const { return table_.communicator(); }

  Value params() const {
    return {params_, [](const Array& params) { return params; }};
  }
  Value column(const std::string& name) const {
    return {table_[name], [values = columns_.at(name)](const Array&) { return values; }};
  }
  Value matrix() const {  // [2, 3]
    return apply(
        reshape(params_, {2, 3}),
        [](const Array& p) {
          return plain_reshape(p, {2, 3});
        },
        params());
  }
  Value scalar() const {  // []
    return apply(
        params_[1], [](const Array& p) { return Array(p(1)); }, params());
  }
  Value rows() const { return column("u") * scalar(); }                              // [rows]
  Value rows_6() const { return expand(column("u"), 1) * params(); }                 // [rows, 6]
  Value six_rows() const { return expand(params(), 1) * column("u"); }               // [6, rows]
  Value two_rows_3() const { return expand(matrix(), 1) * expand(column("u"), 1); }  // [2, rows, 3]
  Value rows_2_2_3() const {                                                         // [rows, 2, 2, 3]
    const Array numbers = xt::arange<double>(1.0, 13.0).reshape({2, 2, 3});
    return expand(expand(expand(column("u"), 1), 1), 1) * (expand(matrix(), 1) * constant_value(numbers));
  }

 private:
  Table make_table(const Lengths& rows_on_ranks, const Communicator& comm) {
    const auto first_row = [rows_on_ranks](int rank) {
      std::size_t first = 0;
      for (int r = 0; r < rank; ++r) first += rows_on_ranks[static_cast<std::size_t>(r) % rows_on_ranks.size()];
      return first;
    };
    const std::size_t total = first_row(comm.size());
    const WholeColumns columns{{"u", noise_column(total, 1)}, {"v", noise_column(total, 2)}};
    for (const auto& [name, values] : columns) columns_[name] = xt::adapt(values, Lengths{total});
    const Deal split = [=](std::size_t, int rank, int) { return std::pair{first_row(rank), first_row(rank + 1)}; };
    return deal("table", columns, split, comm);
  }

  std::map<std::string, Array> columns_;
  Table table_;
  Expr params_;
};

/// A value that is not per row: of a value per row, the sum over rows with another weight for each.
inline Value total(const Inputs& inputs, const Value& x) {
  const auto rows = row_axis(x.expr.shape());
  if (!rows) return x;
  Value weights = inputs.column("v");
  for (std::size_t axis = *rows + 1; axis < x.expr.ndim(); ++axis) weights = expand(weights, axis - *rows);
  const Value product = x * weights;
  const auto plain = [axis = *rows](const Array& a) { return plain_sum(a, {axis}); };
  return apply(sum(product.expr, static_cast<std::ptrdiff_t>(*rows)), plain, product);
}

/// Checks a value that is linear in the parameters, totalled over the rows, and the gradient of a loss in which each
/// element has a weight of its own, on both executors.
inline void check(const Inputs& inputs, const Value& x) {
  const Value value = total(inputs, x);
  const std::vector<double> params = noise_column(Inputs::num_params, 3, 0.5, 1.5);
  const auto plain = [&](std::span<const double> at) {
    return value.plain(xt::adapt(std::vector<double>(at.begin(), at.end()), Lengths{at.size()}));
  };
  const Array expected = plain(params);
  std::uint64_t count = 0;
  const Array weights = generate(shape_of(expected), [&](const Lengths&) { return noise(count++); });
  const auto plain_loss = [&](std::span<const double> at) {
    double loss = 0.0;
    const Array terms = weights * xt::square(plain(at));
    for (double term : terms.storage()) loss += term;
    return loss;
  };
  std::vector<double> slope;  // by differences, exact since values are linear and the loss a parabola
  for (std::size_t i = 0; i < params.size(); ++i) {
    std::vector<double> above = params, below = params;
    above[i] += 0.5;
    below[i] -= 0.5;
    slope.push_back(plain_loss(above) - plain_loss(below));
  }
  const Expr loss = sum(square(value.expr) * weights);

  INFO("a value of shape " << allgrad::to_string(x.expr.shape()) << ", " << inputs.communicator().size() << " ranks");
  REQUIRE(local_shape(value.expr.shape()) == shape_of(expected));
  for (const ExecutorKind executor : executors) {
    INFO(to_string(executor));
    const ValueAndGradient actual =
        evaluate_beside_loss(value.expr, loss, inputs.parameter_vector(), params, inputs.communicator(), executor);
    check_close({expected.data(), expected.size()}, actual.value, 1e-12);
    check_close(slope, actual.gradient, 1e-11);
  }
}

/// Checks a value that is smooth, but not linear in the parameters: as above, with the gradient by central differences,
/// in both modes of differentiation.
inline void check_nonlinear(const Inputs& inputs, const Value& x, double tolerance = 1e-8) {
  const Value value = total(inputs, x);
  const std::vector<double> params = noise_column(Inputs::num_params, 3, 0.5, 1.5);
  const auto plain = [&](std::span<const double> at) {
    return value.plain(xt::adapt(std::vector<double>(at.begin(), at.end()), Lengths{at.size()}));
  };
  const Array expected = plain(params);
  std::uint64_t count = 0;
  const Array weights = generate(shape_of(expected), [&](const Lengths&) { return noise(count++, 0.5, 1.0); });
  const auto plain_loss = [&](std::span<const double> at) {
    double loss = 0.0;
    const Array terms = weights * plain(at);
    for (double term : terms.storage()) loss += term;
    return loss;
  };
  const std::vector<double> slope = numeric_gradient(plain_loss, params);
  const Expr loss = sum(value.expr * weights);

  INFO("a value of shape " << allgrad::to_string(x.expr.shape()) << ", " << inputs.communicator().size() << " ranks");
  REQUIRE(local_shape(value.expr.shape()) == shape_of(expected));
  for (const ExecutorKind executor : executors) {
    INFO(to_string(executor));
    const std::vector<double> actual =
        evaluate(value.expr, inputs.parameter_vector(), params, inputs.communicator(), executor);
    check_close({expected.data(), expected.size()}, actual, 1e-12);
    for (const GradientMode mode : {GradientMode::reverse, GradientMode::forward}) {
      INFO((mode == GradientMode::reverse ? "reverse mode" : "forward mode"));
      const LossAndGradient by_mode =
          evaluate_with_gradient(loss, inputs.parameter_vector(), params, inputs.communicator(), executor, {}, mode);
      check_close(slope, by_mode.gradient, tolerance);
    }
  }
}

/// Calls body(values) with the numbers along `axes` at each place of the other axes, which the result has.
template <class F>
Array plain_reduce(const Array& x, const Lengths& axes, F body) {
  std::map<Lengths, std::vector<double>> groups;
  for_each_index(shape_of(x),
                 [&](const Lengths& index) { groups[without_axes(index, axes)].push_back(element(x, index)); });
  return generate(without_axes(shape_of(x), axes), [&](const Lengths& index) { return body(groups[index]); });
}

/// Ranks with some rows, without any, and with a single one.
inline Inputs uneven_inputs() { return Inputs({5, 0, 1}); }

inline std::vector<Value> all_values(const Inputs& in) {
  return {in.params(), in.matrix(), in.rows(), in.rows_6(), in.six_rows(), in.two_rows_3(), in.rows_2_2_3()};
}

/// Positions of the axes of x but the row axis.
inline Lengths lane_axes(const Value& x) {
  Lengths axes;
  for (std::size_t axis = 0; axis < x.expr.ndim(); ++axis) {
    if (!x.expr.shape()[axis].is_rows()) axes.push_back(axis);
  }
  return axes;
}

inline Value operator+(const Value& x, const Value& y) {
  return apply(
      x.expr + y.expr, [](const Array& a, const Array& b) { return Array(a + b); }, x, y);
}

}  // namespace allgrad::testing
