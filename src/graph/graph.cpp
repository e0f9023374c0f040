#include "graph/graph.hpp"

#include "graph/node_map.hpp"

namespace allgrad {

Graph::Graph(std::vector<Expr> outputs) : outputs_(std::move(outputs)), first_operand_{0} {
  constexpr Number entered = 0xffffffff;
  struct Step {
    const Expr* expr;
    const Expr *next, *end;  // of its operands, those to visit
  };
  std::vector<Step> path;  // no recursion, graphs are deep
  NodeMap<Number> numbers;
  const auto go_to = [&](const Expr& expr) {
    if (!numbers.emplace(expr.node(), entered).second) return;
    const std::vector<Expr>& operands = expr.node()->operands;
    path.push_back({&expr, operands.data(), operands.data() + operands.size()});
  };
  const auto number = [&](const Expr& expr) {
    for (const Expr& operand : expr.node()->operands) operands_.push_back(numbers.at(operand.node()));
    first_operand_.push_back(operands_.size());
    numbers.find(expr.node())->second = static_cast<Number>(nodes_.size());
    nodes_.push_back(expr);
  };
  for (const Expr& output : outputs_) {
    go_to(output);
    while (!path.empty()) {
      if (path.back().next != path.back().end) {
        go_to(*path.back().next++);
      } else {
        number(*path.back().expr);
        path.pop_back();
      }
    }
    output_numbers_.push_back(numbers.at(output.node()));
  }
}

}  // namespace allgrad
