#include "dsl/elementwise.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <xtensor/xmath.hpp>

#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "base/finite.hpp"
#include "dsl/constant.hpp"
#include "dsl/formulas.hpp"
#include "dsl/number.hpp"
#include "dsl/signs.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

/// cotangent / y, as `chain` gives products.
Expr quotient(const Expr& cotangent, const Expr& y) { return is_factor(y) ? cotangent / y : chain(cotangent, 1.0 / y); }

/// The derivative by y of the density v of the gamma distribution of shape x at y; at 0 its limit.
Expr gamma_density_slope(const Expr& x, const Expr& y, const Expr& v) {
  const Expr below_2 = where(x > 1.0, infinity, where(equal(x, 1.0), -1.0, -infinity));
  const Expr at_0 = where(x > 2.0, 0.0, where(equal(x, 2.0), 1.0, below_2));
  return where(equal(y, 0.0), at_0, v * ((x - 1.0) / y - 1.0));
}

/// In place of the cotangent of operand k of a node.
[[noreturn]] Expr refused(const Expr& node, std::size_t k) {
  const std::string_view name = node.node()->op->name();
  throw ExpressionError(
      fmt::format("{} has no derivative by operand {}, which depends on parameters; make that of constants and columns",
                  name, k + 1),
      node.node()->where);
}

// The columns of the table, as functions; unused operands are common.
#define ALLGRAD_ZERO Expr()
#define ALLGRAD_REFUSED refused(v, k)
#define ALLGRAD_UNARY(name, linearity, value, dx, ...)                                   \
  Expr adjoint_##name(std::span<const Expr, 3> operands, [[maybe_unused]] const Expr& v, \
                      [[maybe_unused]] const Expr& g, std::size_t) {                     \
    [[maybe_unused]] const Expr& x = operands[0];                                        \
    return dx;                                                                           \
  }
#define ALLGRAD_BINARY(name, linearity, value, dx, dy, ...)                              \
  Expr adjoint_##name(std::span<const Expr, 3> operands, [[maybe_unused]] const Expr& v, \
                      [[maybe_unused]] const Expr& g, std::size_t k) {                   \
    [[maybe_unused]] const Expr &x = operands[0], &y = operands[1];                      \
    return k == 0 ? Expr(dx) : Expr(dy);                                                 \
  }
#define ALLGRAD_TERNARY(name, linearity, value, dx, dy, dz, ...)                         \
  Expr adjoint_##name(std::span<const Expr, 3> operands, [[maybe_unused]] const Expr& v, \
                      [[maybe_unused]] const Expr& g, std::size_t k) {                   \
    [[maybe_unused]] const Expr &x = operands[0], &y = operands[1], &z = operands[2];    \
    return k == 0 ? Expr(dx) : k == 1 ? Expr(dy) : Expr(dz);                             \
  }
#include "allgrad/operators.def"

#define ALLGRAD_ULPS(name, value_ulps, derivative_ulps)                                                          \
  double value_ulps_##name([[maybe_unused]] double x, [[maybe_unused]] double y, [[maybe_unused]] double z,      \
                           [[maybe_unused]] double v) {                                                          \
    return value_ulps;                                                                                           \
  }                                                                                                              \
  double derivative_ulps_##name([[maybe_unused]] double x, [[maybe_unused]] double y, [[maybe_unused]] double z, \
                                [[maybe_unused]] double v) {                                                     \
    return derivative_ulps;                                                                                      \
  }
#define ALLGRAD_UNARY(name, linearity, value, dx, lo, hi, value_ulps, derivative_ulps, ...) \
  ALLGRAD_ULPS(name, value_ulps, derivative_ulps)
#define ALLGRAD_BINARY(name, linearity, value, dx, dy, lo_x, hi_x, lo_y, hi_y, value_ulps, derivative_ulps, ...) \
  ALLGRAD_ULPS(name, value_ulps, derivative_ulps)
#define ALLGRAD_TERNARY(name, linearity, value, dx, dy, dz, lo_x, hi_x, lo_y, hi_y, lo_z, hi_z, value_ulps, \
                        derivative_ulps, ...)                                                               \
  ALLGRAD_ULPS(name, value_ulps, derivative_ulps)
#include "allgrad/operators.def"

#define ALLGRAD_ROW(name, count, linearity, value, domain, derivatives, value_ulps, derivative_ulps, text, peers) \
  {#name,                                                                                                         \
   Kernel::name,                                                                                                  \
   count,                                                                                                         \
   Linearity::linearity,                                                                                          \
   [](double x, double y, double z) { return Formulas<Number>::name##_of(x, y, z).v; },                           \
   adjoint_##name,                                                                                                \
   domain,                                                                                                        \
   value_ulps_##name,                                                                                             \
   derivative_ulps_##name,                                                                                        \
   #value,                                                                                                        \
   derivatives,                                                                                                   \
   #value_ulps,                                                                                                   \
   #derivative_ulps,                                                                                              \
   text,                                                                                                          \
   peers},
#define ALLGRAD_LIST(...) \
  { __VA_ARGS__ }
constexpr ElementwiseRow operator_table[] = {
#define ALLGRAD_UNARY(name, linearity, value, dx, lo, hi, value_ulps, derivative_ulps, text, peers)                    \
  ALLGRAD_ROW(name, 1, linearity, value, ALLGRAD_LIST({lo, hi}), ALLGRAD_LIST(#dx), value_ulps, derivative_ulps, text, \
              peers)
#define ALLGRAD_BINARY(name, linearity, value, dx, dy, lo_x, hi_x, lo_y, hi_y, value_ulps, derivative_ulps, text,      \
                       peers)                                                                                          \
  ALLGRAD_ROW(name, 2, linearity, value, ALLGRAD_LIST({lo_x, hi_x}, {lo_y, hi_y}), ALLGRAD_LIST(#dx, #dy), value_ulps, \
              derivative_ulps, text, peers)
#define ALLGRAD_TERNARY(name, linearity, value, dx, dy, dz, lo_x, hi_x, lo_y, hi_y, lo_z, hi_z, value_ulps, \
                        derivative_ulps, text, peers)                                                       \
  ALLGRAD_ROW(name, 3, linearity, value, ALLGRAD_LIST({lo_x, hi_x}, {lo_y, hi_y}, {lo_z, hi_z}),            \
              ALLGRAD_LIST(#dx, #dy, #dz), value_ulps, derivative_ulps, text, peers)
#include "allgrad/operators.def"
};

/// Numbers that an operand may be: of both signs, or of one.
using Samples = std::vector<double>;
const Samples any_numbers = {0.0, 1.0, -1.0, 1e5, -1e5}, none_below = {0.0, 1.0, 1e5}, none_above = {0.0, -1.0, -1e5};

/// True where the values for all combinations of numbers have a property.
bool holds_for(const ElementwiseRow& row, const Samples& numbers, bool (*has_property)(double)) {
  const auto numbers_of = [&](std::size_t k) {
    return std::span(numbers).first(k < row.num_operands ? numbers.size() : 1);
  };
  for (const double x : numbers) {
    for (const double y : numbers_of(1)) {
      for (const double z : numbers_of(2)) {
        if (!has_property(row.value(x, y, z))) return false;
      }
    }
  }
  return true;
}

/// What is known of a row's values by the kind of its operands.
struct Kind {
  bool is_finite;        ///< no pole, no branch point and no exponential growth for finite operands
  bool is_finite_below;  ///< the same where no operand is above 0, as of exp
  bool is_finite_above;  ///< the same where none is below 0, as of sqrt
  bool is_never_negative;
};

bool is_finite_number(double x) { return std::isfinite(x); }

/// Of each row. Found when the library is loaded: later, floating-point exceptions may be trapped.
const std::vector<Kind> kinds = [] {
  std::vector<Kind> result;
  for (const ElementwiseRow& row : operator_table) {
    result.push_back({.is_finite = holds_for(row, any_numbers, is_finite_number),
                      .is_finite_below = holds_for(row, none_above, is_finite_number),
                      .is_finite_above = holds_for(row, none_below, is_finite_number),
                      .is_never_negative = holds_for(row, any_numbers, [](double x) { return x >= 0.0; })});
  }
  return result;
}();

/// Nothing is known while the library is loaded.
Kind kind_of(Kernel kernel) {
  const auto k = static_cast<std::size_t>(kernel);
  return k < kinds.size() ? kinds[k] : Kind();
}

}  // namespace

std::span<const ElementwiseRow> elementwise_rows() { return operator_table; }

Expr chain(const Expr& cotangent, const Expr& partial) {
  const bool are_finite = cotangent.node()->finite && partial.node()->finite;
  return are_finite || is_factor(cotangent) || is_factor(partial) ? cotangent * partial
                                                                  : safe_multiply(cotangent, partial);
}

Expr elementwise(Kernel kernel, std::vector<Expr> operands, SourceLocation where) {
  static const auto operators = [] {
    std::vector<std::shared_ptr<const Elementwise>> result;
    for (const ElementwiseRow& row : operator_table) result.push_back(std::make_shared<const Elementwise>(row));
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

bool Elementwise::is_finite(std::span<const Expr> operands) const {
  if (!Operator::is_finite(operands)) return false;
  const Kind kind = kind_of(row_.kernel);
  if (kind.is_finite || (row_.kernel == Kernel::divide && is_factor(operands[1]))) return true;
  if (operands.size() != 1 || !(kind.is_finite_below || kind.is_finite_above)) return false;
  const Signs signs = signs_of(operands[0]);
  return (kind.is_finite_below && signs.never_positive) || (kind.is_finite_above && signs.never_negative);
}

bool Elementwise::is_never_negative() const { return kind_of(row_.kernel).is_never_negative; }

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
  const auto value = row_.value;
  const auto of_one = [value](double x) { return value(x, 0.0, 0.0); };
  const auto of_two = [value](double x, double y) { return value(x, y, 0.0); };
  if (operands.size() == 1) return xt::make_lambda_xfunction(of_one, *operands[0]);
  if (operands.size() == 2) return xt::make_lambda_xfunction(of_two, *operands[0], *operands[1]);
  return xt::make_lambda_xfunction(value, *operands[0], *operands[1], *operands[2]);
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
