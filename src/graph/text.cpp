#include "graph/text.hpp"

#include <fmt/format.h>

#include "base/utf8.hpp"
#include "graph/operator.hpp"
#include "graph/placement.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

std::string Expr::str() const {
  if (empty()) return "an empty Expr";
  return fmt::format("{} {} {} ({})", describe(*node()), to_string(shape()), to_string(placement()),
                     node()->where.str());
}

std::string describe(const Node& node) {
  const std::string attributes = node.op->attributes();
  return attributes.empty() ? std::string(node.op->name()) : fmt::format("{} {}", node.op->name(), attributes);
}

std::vector<Expr> exprs_of(const NamedOutputs& outputs) {
  std::vector<Expr> exprs;
  for (const auto& [name, expr] : outputs) exprs.push_back(expr);
  return exprs;
}

std::string to_text(const NamedOutputs& outputs) {
  std::string text;
  NodeMap<std::size_t> number;
  for (const Expr& expr : topological_order(exprs_of(outputs))) {
    const Node& node = *expr.node();
    std::string operands;
    for (const Expr& operand : node.operands) {
      operands += fmt::format("{}%{}", operands.empty() ? "" : ", ", number.at(operand.node()));
    }
    const std::size_t id = number.size();
    number.emplace(&node, id);
    const std::string call = fmt::format("%{} = {}({})", id, printable(describe(node)), operands);
    text += fmt::format("{:<48} {:<12} {:<10} {:<8} {}\n", call, to_string(node.shape), to_string(node.placement),
                        node.backward ? "backward" : "forward", printable(node.where.str()));
  }
  for (const auto& [name, expr] : outputs) text += fmt::format("{} = %{}\n", printable(name), number.at(expr.node()));
  return text;
}

}  // namespace allgrad
