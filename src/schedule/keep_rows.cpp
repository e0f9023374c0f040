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

void keep_rows(const std::vector<Expr>& outputs, Replacements& replacements) {
  NodeMap<Expr> kept;  // of values that are looked into
  for_each_node(outputs, [&](const Expr& expr) {
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
  });
}

std::vector<Expr> keep_rows(const std::vector<Expr>& outputs) {
  if (!any_node(outputs, [](const Expr& e) { return as<TakeRows>(e) != nullptr || as<ScatterRows>(e) != nullptr; })) {
    return outputs;
  }
  Replacements replacements;
  keep_rows(outputs, replacements);
  return replaced(outputs, replacements);
}

}  // namespace allgrad
