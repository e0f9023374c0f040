#include "autodiff/tangents.hpp"

#include <algorithm>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "autodiff/polynomials.hpp"
#include "dsl/broadcast_to.hpp"
#include "dsl/collectives.hpp"
#include "dsl/concatenate.hpp"
#include "dsl/constant.hpp"
#include "dsl/elementwise.hpp"
#include "dsl/reshape.hpp"
#include "graph/operator.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

bool is_zero(const Expr& tangent) { return tangent.empty() || tangent.node()->op->is_zero(); }

/// Linear operators on constants are constants: what a direction leaves of a vector that is taken apart.
class ConstantsOnly final : public Evaluation {
  std::span<const double> input(std::string_view) const override { throw InternalError("a constant has an input"); }
  Array allreduce(const Array&) override { throw InternalError("a constant has an allreduce"); }
};

bool is_number(const Expr& expr) { return as<Constant>(expr) != nullptr && expr.placement() == Placement::replicated; }

/// Zeros that are their own share, where the shape has no rows.
Expr zeros(const Shape& shape) {
  std::vector<std::size_t> lengths;
  for (const Extent& extent : shape) lengths.push_back(extent.is_rows() ? 1 : extent.length);
  return broadcast_to(constant(xt::zeros<double>(lengths)), shape);
}

Expr applied_to(const Expr& expr, std::vector<Expr> tangents) {
  for (std::size_t k = 0; k < tangents.size(); ++k) {
    if (tangents[k].empty()) tangents[k] = zeros(expr.node()->operands[k].shape());
  }
  return with_operands(expr, std::move(tangents));
}

Expr folded(const Expr& expr) {
  const Node& node = *expr.node();
  if (expr.placement() != Placement::replicated || !std::ranges::all_of(node.operands, is_number)) return expr;
  std::vector<const Array*> operands;
  for (const Expr& operand : node.operands) operands.push_back(&as<Constant>(operand)->value());
  ConstantsOnly evaluation;
  return folded_constant(node.op->evaluate(node, operands, evaluation), Placement::replicated, node.where);
}

}  // namespace

std::vector<Expr> tangents(std::span<const Expr> values, const Expr& input, const Expr& direction) {
  NodeMap<Expr> known;  // of nodes that depend on the direction
  Polynomials polynomials;
  known.emplace(input.node(), direction);
  const auto changes = [&](const Expr& expr) { return known.contains(expr.node()); };
  const auto tangent_of = [&](const Expr& expr) { return changes(expr) ? known.at(expr.node()) : Expr(); };
  for (const Expr& expr : topological_order(values)) {
    const Node& node = *expr.node();
    if (expr.node() == input.node()) continue;
    if (std::ranges::none_of(node.operands, changes)) continue;
    const NodeOrigin origin(node.where, true);
    std::vector<Expr> of_operands;
    for (const Expr& operand : node.operands) of_operands.push_back(tangent_of(operand));
    polynomials.add(expr, changes);
    const bool is_linear = node.op->linearity() == Linearity::jointly && as<Elementwise>(expr) == nullptr;
    const auto polynomial = polynomials.find(expr);
    Expr tangent = polynomial  ? chain(known.at(polynomial->of.node()), polynomial->derivative)
                   : is_linear ? applied_to(expr, of_operands)
                               : node.op->tangent(expr, of_operands);
    if (is_zero(tangent)) continue;
    tangent = folded(broadcast_to(tangent, expr.shape()));
    if (!is_zero(tangent)) known.emplace(&node, tangent);
  }
  std::vector<Expr> result;
  for (const Expr& value : values) result.push_back(tangent_of(value));
  return result;
}

Expr jacobian(const Expr& value, const Expr& input, const std::vector<bool>& frozen) {
  const NodeOrigin origin(value.node()->where, true);
  const std::size_t size = input.shape()[0].length;
  Shape column_shape = value.shape();
  column_shape.emplace_back(1);
  const bool is_partial = value.placement() == Placement::partial;
  const Expr none = is_partial ? as_placement(zeros(value.shape()), Placement::partial) : zeros(value.shape());
  std::vector<Expr> columns;
  for (std::size_t i = 0; i < size; ++i) {
    Expr column;
    if (frozen.empty() || !frozen[i]) {
      Array direction = xt::zeros<double>({size});
      direction(i) = 1.0;
      column = tangents({&value, 1}, input, constant(std::move(direction)))[0];
    }
    columns.push_back(reshaped(column.empty() ? none : column, column_shape));
  }
  return concatenate_axis(std::move(columns), value.ndim(), value.node()->where);
}

}  // namespace allgrad
