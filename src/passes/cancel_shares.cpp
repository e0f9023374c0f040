#include "passes/cancel_shares.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "dsl/collectives.hpp"
#include "dsl/constant.hpp"
#include "graph/operator.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

/// What stands for a node: share(shared) + rest, either empty for zero. A value that is not partial is its rest.
struct Split {
  Expr shared;
  Expr rest;
};

using Splits = NodeMap<Split>;

/// Negative zeros: what they are added to stays what it is, also where that is -0.
Expr zeros_like(const Expr& expr) {
  Array zeros = Array::from_shape(local_shape(expr.shape()));
  zeros.fill(-0.0);
  return constant(std::move(zeros));
}

/// The node on the shared parts, or on the rests, of its partial operands; empty where it has none of these.
Expr apply_to_parts(const Expr& expr, const Splits& splits, Expr Split::*part) {
  std::vector<Expr> operands;
  bool any = false;
  for (const Expr& operand : expr.node()->operands) {
    const Split& split = splits.at(operand.node());
    if (operand.placement() != Placement::partial) {
      operands.push_back(split.rest);
    } else if (!(split.*part).empty()) {
      operands.push_back(split.*part);
      any = true;
    } else {
      operands.push_back(zeros_like(operand));
    }
  }
  return any ? with_operands(expr, std::move(operands)) : Expr();
}

Split split_of(const Expr& expr, const Splits& splits) {
  const Node& node = *expr.node();
  const auto is_partial = [](const Expr& e) { return e.placement() == Placement::partial; };
  if (as<Share>(expr) != nullptr) return {splits.at(node.operands[0].node()).rest, {}};
  if (as<AllReduce>(expr) != nullptr) {
    const Split& partial = splits.at(node.operands[0].node());
    if (partial.rest.empty()) return {{}, partial.shared};
    const Expr total = allreduce(partial.rest);
    return {{}, partial.shared.empty() ? total : partial.shared + total};
  }
  if (std::ranges::none_of(node.operands, is_partial)) {
    const auto stays = [&](const Expr& e) { return splits.at(e.node()).rest.node() == e.node(); };
    if (std::ranges::all_of(node.operands, stays)) return {{}, expr};
    std::vector<Expr> operands;
    for (const Expr& operand : node.operands) operands.push_back(splits.at(operand.node()).rest);
    return {{}, with_operands(expr, std::move(operands))};
  }
  const Split split{apply_to_parts(expr, splits, &Split::shared), apply_to_parts(expr, splits, &Split::rest)};
  if (!split.shared.empty() && node.placement != Placement::partial) {
    throw InternalError(fmt::format("{} ({}) of an equal share has no meaning", node.op->name(), node.where.str()));
  }
  return split;
}

}  // namespace

std::vector<Expr> cancel_shares(const std::vector<Expr>& outputs) {
  Splits splits;
  for (const Expr& expr : topological_order(outputs)) {
    const NodeOrigin origin(expr.node()->where, expr.node()->backward);
    splits.emplace(expr.node(), split_of(expr, splits));
  }
  std::vector<Expr> result;
  for (const Expr& output : outputs) result.push_back(splits.at(output.node()).rest);
  return result;
}

}  // namespace allgrad
