#include "array_values.hpp"

#include <xtensor/xadapt.hpp>

#include "graph/operator.hpp"
#include "graph/shape.hpp"

namespace allgrad::testing {

Value operator*(const Value& x, const Value& y) { return apply(x.expr * y.expr, plain_multiply, x, y); }

Value constant_value(const Array& x) {
  return {constant(x), [x](const Array&) { return x; }};
}

Value expand(const Value& x, std::size_t axis) {
  const auto plain = [axis](const Array& a) { return plain_expand(a, axis); };
  return apply(expand_dims(x.expr, static_cast<std::ptrdiff_t>(axis)), plain, x);
}

std::size_t rows_of_all(const Lengths& rows_on_ranks) {
  std::size_t rows = 0;
  const auto size = static_cast<std::size_t>(Communicator::world().size());
  for (std::size_t rank = 0; rank < size; ++rank) rows += rows_on_ranks[rank % rows_on_ranks.size()];
  return rows;
}

namespace {

/// The table of all ranks, and its columns as whole arrays.
Table make_table(const Lengths& rows_on_ranks, const Communicator& comm, std::map<std::string, Array>& whole) {
  const auto first_row = [rows_on_ranks](int rank) {
    std::size_t first = 0;
    for (int r = 0; r < rank; ++r) first += rows_on_ranks[static_cast<std::size_t>(r) % rows_on_ranks.size()];
    return first;
  };
  const std::size_t total = first_row(comm.size());
  const WholeColumns columns{{"u", noise_column(total, 1)}, {"v", noise_column(total, 2)}};
  for (const auto& [name, values] : columns) whole[name] = xt::adapt(values, Lengths{total});
  const Deal split = [=](std::size_t, int rank, int) { return std::pair{first_row(rank), first_row(rank + 1)}; };
  return deal("table", columns, split, comm);
}

}  // namespace

Inputs::Inputs(const Lengths& rows_on_ranks)
    : table_(make_table(rows_on_ranks, Communicator::world(), columns_)), params_(parameters(num_params)) {}

Value Inputs::params() const {
  return {params_, [](const Array& params) { return params; }};
}

Value Inputs::column(const std::string& name) const {
  return {table_[name], [values = columns_.at(name)](const Array&) { return values; }};
}

Value Inputs::matrix() const {
  return apply(
      reshape(params_, {2, 3}),
      [](const Array& p) {
        return plain_reshape(p, {2, 3});
      },
      params());
}

Value Inputs::scalar() const {
  return apply(
      params_[1], [](const Array& p) { return Array(p(1)); }, params());
}

Value Inputs::rows() const { return column("u") * scalar(); }

Value Inputs::rows_6() const { return expand(column("u"), 1) * params(); }

Value Inputs::six_rows() const { return expand(params(), 1) * column("u"); }

Value Inputs::two_rows_3() const { return expand(matrix(), 1) * expand(column("u"), 1); }

Value Inputs::rows_2_2_3() const {
  const Array numbers = xt::arange<double>(1.0, 13.0).reshape({2, 2, 3});
  return expand(expand(expand(column("u"), 1), 1), 1) * (expand(matrix(), 1) * constant_value(numbers));
}

Value total(const Inputs& inputs, const Value& x) {
  const auto rows = row_axis(x.expr.shape());
  if (!rows) return x;
  Value weights = inputs.column("v");
  for (std::size_t axis = *rows + 1; axis < x.expr.ndim(); ++axis) weights = expand(weights, axis - *rows);
  const Value product = x * weights;
  const auto plain = [axis = *rows](const Array& a) { return plain_sum(a, {axis}); };
  return apply(sum(product.expr, static_cast<std::ptrdiff_t>(*rows)), plain, product);
}

namespace {

Array plain_at(const Value& value, std::span<const double> params) {
  return value.plain(xt::adapt(std::vector<double>(params.begin(), params.end()), Lengths{params.size()}));
}

}  // namespace

void check(const Inputs& inputs, const Value& x) {
  const Value value = total(inputs, x);
  const std::vector<double> params = noise_column(Inputs::num_params, 3, 0.5, 1.5);
  const Array expected = plain_at(value, params);
  std::uint64_t count = 0;
  const Array weights = generate(shape_of(expected), [&](const Lengths&) { return noise(count++); });
  const auto plain_loss = [&](std::span<const double> at) {
    double loss = 0.0;
    const Array terms = weights * xt::square(plain_at(value, at));
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

void check_nonlinear(const Inputs& inputs, const Value& x, double tolerance) {
  const Value value = total(inputs, x);
  const std::vector<double> params = noise_column(Inputs::num_params, 3, 0.5, 1.5);
  const Array expected = plain_at(value, params);
  std::uint64_t count = 0;
  const Array weights = generate(shape_of(expected), [&](const Lengths&) { return noise(count++, 0.5, 1.0); });
  const auto plain_loss = [&](std::span<const double> at) {
    double loss = 0.0;
    const Array terms = weights * plain_at(value, at);
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

Inputs uneven_inputs() { return Inputs({5, 0, 1}); }

std::vector<Value> all_values(const Inputs& in) {
  return {in.params(), in.matrix(), in.rows(), in.rows_6(), in.six_rows(), in.two_rows_3(), in.rows_2_2_3()};
}

Lengths lane_axes(const Value& x) {
  Lengths axes;
  for (std::size_t axis = 0; axis < x.expr.ndim(); ++axis) {
    if (!x.expr.shape()[axis].is_rows()) axes.push_back(axis);
  }
  return axes;
}

Value operator+(const Value& x, const Value& y) { return apply(x.expr + y.expr, plain_add, x, y); }

}  // namespace allgrad::testing
