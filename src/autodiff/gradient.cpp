#include "autodiff/gradient.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "allgrad/error.hpp"
#include "autodiff/cotangents.hpp"
#include "autodiff/polynomials.hpp"
#include "dsl/collectives.hpp"
#include "dsl/elementwise.hpp"
#include "dsl/reshape.hpp"
#include "dsl/slice.hpp"
#include "dsl/sum.hpp"
#include "graph/operator.hpp"
#include "graph/placement.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

/// Sums a cotangent over the axes along which the operand was stretched.
Expr sum_to_shape(const Expr& cotangent, const Shape& shape) {
  const std::size_t extra = cotangent.ndim() - shape.size();
  std::vector<std::size_t> axes;
  for (std::size_t axis = 0; axis < cotangent.ndim(); ++axis) {
    if (axis < extra || !(cotangent.shape()[axis] == shape[axis - extra])) axes.push_back(axis);
  }
  return reshaped(sum_over(cotangent, std::move(axes), cotangent.node()->where), shape);
}

/// The same cotangent in the placement that is dual to the operand's: partial for replicated, per rank for per rank.
Expr place_cotangent(const Expr& cotangent, Placement operand, Placement node) {
  const bool per_rank = cotangent.placement() == Placement::per_rank ||
                        (node == Placement::per_rank && cotangent.placement() == Placement::replicated);
  if (operand == Placement::replicated && per_rank) return as_placement(cotangent, Placement::partial);
  if (operand == Placement::per_rank && cotangent.placement() == Placement::partial) {
    return as_placement(cotangent, Placement::per_rank);
  }
  return cotangent;
}

bool is_dual(Placement value, Placement cotangent) {
  switch (value) {
    case Placement::replicated: return cotangent == Placement::partial;
    case Placement::partial: return cotangent == Placement::replicated;
    case Placement::per_row: return cotangent == Placement::per_row;
    case Placement::per_rank: return cotangent == Placement::per_rank || cotangent == Placement::replicated;
  }
  return false;
}

Expr dual_to(const Expr& operand, const Expr& cotangent, const Node& node, std::size_t k) {
  const Expr result = place_cotangent(sum_to_shape(cotangent, operand.shape()), operand.placement(), node.placement);
  if (is_dual(operand.placement(), result.placement())) return result;
  throw InternalError(fmt::format("the adjoint of {} ({}) for operand {}, which is {}, is {}", node.op->name(),
                                  node.where.str(), k, to_string(operand.placement()), to_string(result.placement())));
}

Expr operand_cotangent(const Expr& expr, const Expr& cotangent, std::size_t k, const OnContribution& on_contribution) {
  const Node& node = *expr.node();
  const NodeOrigin origin(node.where, true);
  const Expr result = node.op->adjoint(expr, cotangent, k);
  if (result.empty() || result.node()->op->is_zero()) return {};
  if (on_contribution) on_contribution(expr, k, result);
  return dual_to(node.operands[k], result, node, k);
}

/// Of what an expression is a polynomial of.
Expr cotangent_through(const Expr& expr, const Expr& cotangent, const Polynomials::Polynomial& polynomial) {
  const NodeOrigin origin(expr.node()->where, true);
  return dual_to(polynomial.of, chain(cotangent, polynomial.derivative), *expr.node(), 0);
}

/// True for a part of the input that has frozen elements only.
bool is_frozen_part(const Expr& expr, const Expr& input, const std::vector<bool>& frozen) {
  if (frozen.empty() || as<SliceAxis>(expr) == nullptr) return false;
  const auto elements = elements_of(expr, input);
  return elements && std::ranges::all_of(elements->positions(), [&](std::size_t i) { return frozen[i]; });
}

}  // namespace

Expr gradient(const Expr& output, const Expr& input, const std::vector<bool>& frozen,
              const OnContribution& on_contribution) {
  const std::vector<Expr> order = topological_order({&output, 1});
  const auto active = dependents(
      order, [&](const Expr& e) { return e.node() == input.node(); },
      [&](const Expr& e) { return is_frozen_part(e, input, frozen); });
  const auto is_active = [&](const Expr& e) { return active.contains(e.node()); };
  Polynomials polynomials;
  if (!on_contribution) {  // which is told of each operation
    for (const Expr& expr : order) {
      if (is_active(expr)) polynomials.add(expr, is_active);
    }
  }
  Cotangents cotangents;
  {
    const NodeOrigin origin(output.node()->where, true);
    cotangents.add(output.node(), share(constant(1.0)));
  }
  for (auto expr = order.rbegin(); expr != order.rend(); ++expr) {
    if (expr->node() == input.node() || !is_active(*expr)) continue;
    const Expr cotangent = cotangents.total(expr->node());
    if (cotangent.empty()) continue;
    if (const auto polynomial = polynomials.find(*expr)) {
      cotangents.add(polynomial->of.node(), cotangent_through(*expr, cotangent, *polynomial));
      continue;
    }
    for (std::size_t k = 0; k < expr->node()->operands.size(); ++k) {
      const Node* operand = expr->node()->operands[k].node();
      if (!active.contains(operand)) continue;
      const Expr contribution = operand_cotangent(*expr, cotangent, k, on_contribution);
      if (!contribution.empty()) cotangents.add(operand, contribution);
    }
  }
  const Expr result = cotangents.total(input.node());
  if (!result.empty()) return result;
  const NodeOrigin origin(output.node()->where, true);
  return share(constant(xt::zeros<double>(local_shape(input.shape()))));  // the output does not depend on the input
}

}  // namespace allgrad
