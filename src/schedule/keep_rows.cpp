#include "schedule/keep_rows.hpp"

#include "dsl/row_number.hpp"
#include "dsl/take_rows.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

Expr in_memory(const Expr& x) {
  const SourceLocation where = x.node()->where;
  const Expr numbers = make_node(std::make_shared<const RowNumber>(rows_of(x.shape())), {}, where);
  return make_node(std::make_shared<const KeepRows>(), {x, numbers}, where);
}

Expr summed_in_memory(const Expr& sums) {
  const SourceLocation where = sums.node()->where;
  const auto op = std::make_shared<const ScatterRows>(sums.shape(), Placement::per_rank);
  return make_node(std::make_shared<const KeptRows>(), {make_node(op, sums.node()->operands, where)}, where);
}

}  // namespace

void keep_rows(const Graph& graph, Replacements& replacements) {
  NodeMap<Expr> kept;  // of values that are looked into
  for (const Expr& expr : graph.nodes()) {
    rebuild(expr, replacements);
    const Expr now = replaced(expr, replacements);
    const NodeOrigin origin(expr.node()->where, expr.node()->backward);
    if (as<TakeRows>(now) != nullptr) {
      std::vector<Expr> operands = now.node()->operands;
      Expr& memory = kept[operands[0].node()];
      if (memory.empty()) memory = in_memory(operands[0]);
      operands[0] = memory;
      replacements[expr.node()] = with_operands(now, std::move(operands));
    } else if (as<ScatterRows>(now) != nullptr) {
      replacements[expr.node()] = summed_in_memory(now);
    }
  }
}

Graph keep_rows(Graph graph) {
  const auto reaches_rows = [](const Expr& e) { return as<TakeRows>(e) != nullptr || as<ScatterRows>(e) != nullptr; };
  if (!any_node(graph, reaches_rows)) return graph;
  Replacements replacements;
  keep_rows(graph, replacements);
  return replaced(graph.outputs(), replacements);
}

}  // namespace allgrad
