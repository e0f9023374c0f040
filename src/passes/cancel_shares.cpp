#include "passes/cancel_shares.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "dsl/collectives.hpp"
#include "dsl/constant.hpp"
#include "graph/operator.hpp"

namespace allgrad {

namespace {

/// What stands for a node: share(shared) + rest, either empty for zero. A value that is not partial is its rest.
struct Split {
  Expr shared;
  Expr rest;
};

/// Nodes of a graph, and what stands for those so far.
struct Splits {
  const Graph& graph;
  std::vector<Split> of;  ///< by number

  const Split& operand(std::size_t node, std::size_t k) const { return of[graph.operands(node)[k]]; }
};

/// Negative zeros: what they are added to stays what it is, also where that is -0.
Expr zeros_like(const Expr& expr) {
  Array zeros = Array::from_shape(local_shape(expr.shape()));
  zeros.fill(-0.0);
  return constant(std::move(zeros));
}

/// The node on the shared parts, or on the rests, of its partial operands; empty where it has none of these.
Expr apply_to_parts(std::size_t number, const Splits& splits, Expr Split::*part) {
  const Expr& expr = splits.graph.nodes()[number];
  std::vector<Expr> operands;
  bool any = false;
  for (std::size_t k = 0; k < expr.node()->operands.size(); ++k) {
    const Expr& operand = expr.node()->operands[k];
    const Split& split = splits.operand(number, k);
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

Split split_of(std::size_t number, const Splits& splits) {
  const Expr& expr = splits.graph.nodes()[number];
  const Node& node = *expr.node();
  const auto is_partial = [](const Expr& e) { return e.placement() == Placement::partial; };
  if (as<Share>(expr) != nullptr) return {splits.operand(number, 0).rest, {}};
  if (as<AllReduce>(expr) != nullptr) {
    const Split& partial = splits.operand(number, 0);
    if (partial.rest.empty()) return {{}, partial.shared};
    if (partial.shared.empty() && partial.rest.node() == node.operands[0].node()) return {{}, expr};
    const Expr total = allreduce(partial.rest);
    return {{}, partial.shared.empty() ? total : partial.shared + total};
  }
  if (std::ranges::none_of(node.operands, is_partial)) {
    std::vector<Expr> operands;
    for (std::size_t k = 0; k < node.operands.size(); ++k) operands.push_back(splits.operand(number, k).rest);
    return {{}, with_operands(expr, std::move(operands))};
  }
  const Split split{apply_to_parts(number, splits, &Split::shared), apply_to_parts(number, splits, &Split::rest)};
  if (!split.shared.empty() && node.placement != Placement::partial) {
    throw InternalError(fmt::format("{} ({}) of an equal share has no meaning", node.op->name(), node.where.str()));
  }
  return split;
}

}  // namespace

std::vector<Expr> cancel_shares(const Graph& graph) {
  Splits splits{graph, {}};
  splits.of.reserve(graph.size());
  for (std::size_t number = 0; number < graph.size(); ++number) {
    const Node& node = *graph.nodes()[number].node();
    const NodeOrigin origin(node.where, node.backward);
    splits.of.push_back(split_of(number, splits));
  }
  std::vector<Expr> result;
  for (const Graph::Number output : graph.output_numbers()) result.push_back(splits.of[output].rest);
  return result;
}

}  // namespace allgrad
