// custom: operands... -> a value that a function of the user's computes, on whole values or on tiles of rows. Adjoint
// and tangent are nodes that call the user's vjp and jvp.
#include "dsl/custom.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <new>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "dsl/broadcast_to.hpp"
#include "dsl/reshape.hpp"
#include "dsl/slice.hpp"
#include "graph/placement.hpp"

namespace allgrad {

namespace {

bool has_rows(const Expr& expr) { return row_axis(expr.shape()).has_value(); }

std::vector<std::size_t> shape_at_hand(const Shape& shape, std::size_t num_rows) {
  std::vector<std::size_t> lengths;
  for (const Extent& extent : shape) lengths.push_back(extent.is_rows() ? num_rows : extent.length);
  return lengths;
}

enum class Into { store, add };

void copy(const CallOperand& from, const CallOperand& to, const Shape& shape, std::size_t num_rows, Into into) {
  const std::size_t rows = row_axis(shape) ? num_rows : 1;
  for_each_lane<2>(shape, {strides_along(from, shape, shape), strides_along(to, shape, shape)}, [&](const auto& at) {
    for (std::size_t row = 0; row < rows; ++row) {
      const auto r = static_cast<std::ptrdiff_t>(row);
      double& number = to.data[at[1] + r * to.row_stride];
      const double own = from.data[at[0] + r * from.row_stride];
      number = into == Into::add ? own + number : own;
    }
  });
}

Array array_of(const CallOperand& operand, const Shape& shape, std::size_t num_rows) {
  Array array = Array::from_shape(shape_at_hand(shape, num_rows));
  copy(operand, ArrayOperand(array.data(), shape, num_rows).operand(), shape, num_rows, Into::store);
  return array;
}

/// The operands of a node from `first` on, `count` of them.
std::vector<Array> arrays_of(const Node& node, const CallArguments& arguments, std::size_t first, std::size_t count) {
  std::vector<Array> arrays;
  for (std::size_t k = first; k < first + count; ++k) {
    arrays.push_back(array_of(arguments.in[k], node.operands[k].shape(), arguments.num_rows));
  }
  return arrays;
}

void check_shape(const Array& array, const Shape& shape, std::size_t num_rows, const Node& node,
                 const std::string& function, const std::string& what) {
  const std::vector<std::size_t> expected = shape_at_hand(shape, num_rows);
  if (std::ranges::equal(array.shape(), expected)) return;
  throw ExpressionError(
      fmt::format("custom \"{}\": expected {} of shape {}, [{}] with the rows at hand, got [{}]", function, what,
                  to_string(shape), fmt::join(expected, ", "), fmt::join(array.shape(), ", ")),
      node.where);
}

/// What the user's function returns; what it throws has the line of its node.
template <class Call>
auto result_of(Call call, const Node& node, const std::string& function, std::string_view which) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    std::throw_with_nested(
        ExpressionError(fmt::format("custom \"{}\": its {}() threw: {}", function, which, error.what()), node.where));
  }
}

[[noreturn]] void refuse_custom(const std::string& function, const std::string& why, SourceLocation where) {
  throw ExpressionError(fmt::format("custom \"{}\": {}", function, why), where);
}

[[noreturn]] void refuse_second(const std::string& function, SourceLocation where) {
  refuse_custom(function,
                "a derivative of its vjp or jvp is asked for, and there is none: no Hessian, and no gradient of what "
                "is made of its derivatives",
                where);
}

}  // namespace

void CustomOperator::identify(Fingerprint& hash) const { hash.add(std::string_view(function_->name)); }

bool CustomOperator::same_on_this_rank(const Operator& other) const {
  const auto* custom = dynamic_cast<const CustomOperator*>(&other);
  return custom != nullptr && custom->function_ == function_;
}

Shape Custom::infer_shape(std::span<const Expr> operands) const {
  const auto rows = rows_of(shape_);
  for (const Expr& operand : operands) {
    const auto own = rows_of(operand.shape());
    if (own == nullptr || own == rows) continue;
    throw ExpressionError(
        rows == nullptr
            ? fmt::format("an operand has a value for each row of table \"{}\", so the value has, too; give its shape "
                          "that axis, and sum over rows what it returns",
                          own->table)
            : fmt::format("the value is one for each row of table \"{}\", an operand for each row of \"{}\"; use one "
                          "table",
                          rows->table, own->table));
  }
  const bool is_in_rows = rows == nullptr || std::ranges::any_of(operands, has_rows);
  if (!is_in_rows) throw ExpressionError("the value is per row, but no operand is; give it one, such as a column");
  return shape_;
}

Expr Custom::adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const {
  const std::vector<Expr>& operands = node.node()->operands;
  if (function_->function.vjp == nullptr) {
    refuse_custom(function_->name, "a gradient is asked for, and there is no vjp; give it one", node.node()->where);
  }
  std::vector<Expr> given = {broadcast_to(cotangent, node.shape()), node};
  given.insert(given.end(), operands.begin(), operands.end());
  const bool per_row = has_rows(operands[k]);
  const Expr all =
      make_node(std::make_shared<const CustomCotangents>(function_, per_row), std::move(given), node.node()->where);
  return CustomCotangents::of_operand(all, operands[k], CustomCotangents::lanes_before(operands, k));
}

Expr Custom::tangent(const Expr& node, std::span<const Expr> tangents) const {
  const std::vector<Expr>& operands = node.node()->operands;
  if (!has_tangent()) {
    refuse_custom(function_->name, "a Jacobian or Hessian is asked for, and there is no jvp; give it one",
                  node.node()->where);
  }
  std::vector<Expr> given = {node};
  given.insert(given.end(), operands.begin(), operands.end());
  for (std::size_t k = 0; k < operands.size(); ++k) {
    given.push_back(broadcast_to(tangents[k].empty() ? constant(0.0) : tangents[k], operands[k].shape()));
  }
  return make_node(std::make_shared<const CustomTangent>(function_), std::move(given), node.node()->where);
}

void Custom::call(const Node& node, const CallArguments& arguments) const {
  const std::vector<Array> operands = arrays_of(node, arguments, 0, node.operands.size());
  const Array value = result_of([&] { return function_->function.value(operands); }, node, function_->name, "value");
  check_shape(value, node.shape, arguments.num_rows, node, function_->name, "a value");
  copy(ArrayOperand(value.data(), node.shape, arguments.num_rows).operand(), arguments.out, node.shape,
       arguments.num_rows, Into::store);
}

std::size_t CustomCotangents::lanes_before(std::span<const Expr> operands, std::size_t k) {
  std::size_t lanes = 0;
  for (std::size_t i = 0; i < k; ++i) {
    if (has_rows(operands[i]) == has_rows(operands[k])) lanes += num_lanes(operands[i].shape());
  }
  return lanes;
}

Expr CustomCotangents::of_operand(const Expr& cotangents, const Expr& operand, std::size_t first_lane) {
  const Shape& shape = operand.shape();
  const Expr lanes =
      slice_axis(cotangents, cotangents.ndim() - 1, first_lane, num_lanes(shape), cotangents.node()->where);
  const auto rows = row_axis(shape);
  if (!rows) return reshaped(lanes, shape);
  Shape rows_first = shape;
  std::rotate(rows_first.begin(), rows_first.begin() + static_cast<std::ptrdiff_t>(*rows),
              rows_first.begin() + static_cast<std::ptrdiff_t>(*rows) + 1);
  return moveaxis(reshaped(lanes, rows_first), 0, *rows);
}

void CustomCotangents::identify(Fingerprint& hash) const {
  CustomOperator::identify(hash);
  hash.add(per_row_);
}

Shape CustomCotangents::infer_shape(std::span<const Expr> operands) const {
  std::size_t lanes = 0;
  for (const Expr& operand : operands.subspan(2)) {
    if (has_rows(operand) == per_row_) lanes += num_lanes(operand.shape());
  }
  if (per_row_) return {rows_of(operands[0].shape()), lanes};
  return {lanes};
}

Placement CustomCotangents::infer_placement(std::span<const Expr> operands, const Shape& shape) const {
  if (!per_row_ && has_rows(operands[0])) return Placement::partial;
  return CustomOperator::infer_placement(operands, shape);
}

Expr CustomCotangents::adjoint(const Expr& node, const Expr&, std::size_t) const {
  refuse_second(function_->name, node.node()->where);
}

Expr CustomCotangents::tangent(const Expr& node, std::span<const Expr>) const {
  refuse_second(function_->name, node.node()->where);
}

void CustomCotangents::call(const Node& node, const CallArguments& arguments) const {
  const std::size_t num_operands = node.operands.size() - 2, num_rows = arguments.num_rows;
  const Array cotangent = array_of(arguments.in[0], node.operands[0].shape(), num_rows);
  const Array value = array_of(arguments.in[1], node.operands[1].shape(), num_rows);
  const std::vector<Array> operands = arrays_of(node, arguments, 2, num_operands);
  const std::vector<Array> cotangents =
      result_of([&] { return function_->function.vjp(operands, value, cotangent); }, node, function_->name, "vjp");
  if (cotangents.size() != num_operands) {
    refuse_custom(
        function_->name,
        fmt::format("expected the cotangents of {} operands from its vjp, got {}", num_operands, cotangents.size()),
        node.where);
  }
  CallOperand out = arguments.out;
  const std::ptrdiff_t step = arguments.out.strides[0];
  for (std::size_t k = 0; k < num_operands; ++k) {
    const Shape& shape = node.operands[k + 2].shape();
    check_shape(cotangents[k], shape, num_rows, node, function_->name,
                fmt::format("from its vjp a cotangent of operand {}", k));
    if (row_axis(shape).has_value() != per_row_) continue;
    const std::vector<std::size_t> lanes = lane_shape(shape);
    std::vector<std::ptrdiff_t> strides = row_major_strides(lanes);
    for (std::ptrdiff_t& stride : strides) stride *= step;
    out.lanes = lanes;
    out.strides = strides;
    copy(ArrayOperand(cotangents[k].data(), shape, num_rows).operand(), out, shape, num_rows,
         per_row_ ? Into::store : Into::add);
    out.data += static_cast<std::ptrdiff_t>(num_lanes(shape)) * step;
  }
}

Expr CustomTangent::adjoint(const Expr& node, const Expr&, std::size_t) const {
  refuse_second(function_->name, node.node()->where);
}

Expr CustomTangent::tangent(const Expr& node, std::span<const Expr>) const {
  refuse_second(function_->name, node.node()->where);
}

void CustomTangent::call(const Node& node, const CallArguments& arguments) const {
  const std::size_t num_operands = (node.operands.size() - 1) / 2;
  const Array value = array_of(arguments.in[0], node.shape, arguments.num_rows);
  const std::vector<Array> operands = arrays_of(node, arguments, 1, num_operands);
  const std::vector<Array> tangents = arrays_of(node, arguments, 1 + num_operands, num_operands);
  const Array tangent =
      result_of([&] { return function_->function.jvp(operands, value, tangents); }, node, function_->name, "jvp");
  check_shape(tangent, node.shape, arguments.num_rows, node, function_->name, "from its jvp a tangent");
  copy(ArrayOperand(tangent.data(), node.shape, arguments.num_rows).operand(), arguments.out, node.shape,
       arguments.num_rows, Into::store);
}

Expr custom(const Name& name, const Parts& operands, const Shape& shape, CustomFunction function) {
  if (function.value == nullptr) {
    refuse_custom(std::string(name.text), "there is no function that computes its value; give it one", name.where);
  }
  std::vector<Expr> exprs;
  for (const Operand& operand : operands.values()) exprs.push_back(operand.expr());
  auto named = std::make_shared<const NamedFunction>(NamedFunction{std::string(name.text), std::move(function)});
  return make_node(std::make_shared<const Custom>(std::move(named), shape), std::move(exprs), name.where);
}

}  // namespace allgrad
