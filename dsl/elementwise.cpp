#include "dsl/elementwise.hpp"

#include <array>
#include <xtensor/xmath.hpp>

#include "allgrad/elementwise.hpp"
#include "dsl/inverse_erf.hpp"
#include "dsl/power_below.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

/// xtensor has none.
Array exp10(const Array& x) { return xt::pow(10.0, x); }

// The columns of the table, as functions. `value_` and `adjoint_` have the formulas; unused operands are common.
#define ALLGRAD_ZERO Expr()
#define ALLGRAD_UNARY(name, linearity, value, dx, ...)                                   \
  Array value_##name([[maybe_unused]] std::span<const Array* const> operands) {          \
    const Array& x = *operands[0];                                                       \
    return value;                                                                        \
  }                                                                                      \
  Expr adjoint_##name(std::span<const Expr, 3> operands, [[maybe_unused]] const Expr& v, \
                      [[maybe_unused]] const Expr& g, std::size_t) {                     \
    [[maybe_unused]] const Expr& x = operands[0];                                        \
    return dx;                                                                           \
  }
#define ALLGRAD_BINARY(name, linearity, value, dx, dy, ...)                              \
  Array value_##name(std::span<const Array* const> operands) {                           \
    const Array &x = *operands[0], &y = *operands[1];                                    \
    return value;                                                                        \
  }                                                                                      \
  Expr adjoint_##name(std::span<const Expr, 3> operands, [[maybe_unused]] const Expr& v, \
                      [[maybe_unused]] const Expr& g, std::size_t k) {                   \
    [[maybe_unused]] const Expr &x = operands[0], &y = operands[1];                      \
    return k == 0 ? Expr(dx) : Expr(dy);                                                 \
  }
#define ALLGRAD_TERNARY(name, linearity, value, dx, dy, dz, ...)                         \
  Array value_##name(std::span<const Array* const> operands) {                           \
    const Array &x = *operands[0], &y = *operands[1], &z = *operands[2];                 \
    return value;                                                                        \
  }                                                                                      \
  Expr adjoint_##name(std::span<const Expr, 3> operands, [[maybe_unused]] const Expr& v, \
                      [[maybe_unused]] const Expr& g, std::size_t k) {                   \
    [[maybe_unused]] const Expr &x = operands[0], &y = operands[1], &z = operands[2];    \
    return k == 0 ? Expr(dx) : k == 1 ? Expr(dy) : Expr(dz);                             \
  }
#include "allgrad/operators.def"

constexpr ElementwiseRow rows[] = {
#define ALLGRAD_UNARY(name, linearity, value, dx, lo, hi, ...) \
  {#name, Kernel::name, 1, Linearity::linearity, value_##name, adjoint_##name, {{lo, hi}}},
#define ALLGRAD_BINARY(name, linearity, value, dx, dy, lo_x, hi_x, lo_y, hi_y, ...) \
  {#name, Kernel::name, 2, Linearity::linearity, value_##name, adjoint_##name, {{lo_x, hi_x}, {lo_y, hi_y}}},
#define ALLGRAD_TERNARY(name, linearity, value, dx, dy, dz, lo_x, hi_x, lo_y, hi_y, lo_z, hi_z, ...) \
  {#name,                                                                                            \
   Kernel::name,                                                                                     \
   3,                                                                                                \
   Linearity::linearity,                                                                             \
   value_##name,                                                                                     \
   adjoint_##name,                                                                                   \
   {{lo_x, hi_x}, {lo_y, hi_y}, {lo_z, hi_z}}},
#include "allgrad/operators.def"
};

}  // namespace

std::span<const ElementwiseRow> elementwise_rows() { return rows; }

Expr elementwise(Kernel kernel, std::vector<Expr> operands, SourceLocation where) {
  static const auto operators = [] {
    std::vector<std::shared_ptr<const Elementwise>> result;
    for (const ElementwiseRow& row : rows) result.push_back(std::make_shared<const Elementwise>(row));
    return result;
  }();
  return make_node(operators[static_cast<std::size_t>(kernel)], std::move(operands), where);
}

#define ALLGRAD_UNARY(name, ...) \
  Expr name(const Operand& x) { return elementwise(Kernel::name, {x.expr()}, x.where()); }
#define ALLGRAD_BINARY(name, ...) \
  Expr name(const Operand& x, const Operand& y) { return elementwise(Kernel::name, {x.expr(), y.expr()}, x.where()); }
#define ALLGRAD_TERNARY(name, ...)                                               \
  Expr name(const Operand& x, const Operand& y, const Operand& z) {              \
    return elementwise(Kernel::name, {x.expr(), y.expr(), z.expr()}, x.where()); \
  }
#include "allgrad/operators.def"

Shape Elementwise::infer_shape(std::span<const Expr> operands) const {
  Shape shape = operands[0].shape();
  for (const Expr& operand : operands.subspan(1)) {
    if (operand.shape() != shape) shape = broadcast(shape, operand.shape());
  }
  return shape;
}

Expr Elementwise::adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const {
  std::array<Expr, 3> operands;
  std::ranges::copy(node.node()->operands, operands.begin());
  return row_.adjoint(operands, node, cotangent, k);
}

/// What multiplies a cotangent of the value multiplies a tangent of the operand, element by element.
Expr Elementwise::tangent(const Expr& node, std::span<const Expr> tangents) const {
  Expr sum;
  for (std::size_t k = 0; k < tangents.size(); ++k) {
    if (tangents[k].empty()) continue;
    const Expr term = adjoint(node, tangents[k], k);
    if (!term.empty()) sum = sum.empty() ? term : sum + term;
  }
  return sum;
}

Array Elementwise::evaluate(const Node&, std::span<const Array* const> operands, Evaluation&) const {
  return row_.evaluate(operands);
}

View Elementwise::lower(const Node& node, Lowering& lowering) const {
  std::vector<View> inputs;
  for (std::size_t k = 0; k < node.operands.size(); ++k) {
    inputs.push_back(broadcast_view(lowering.operand(k), node.operands[k].shape(), node.shape));
  }
  const View out = lowering.allocate(node.shape);
  lowering.emit(row_.kernel, out, inputs, node.shape);
  return out;
}

}  // namespace allgrad
