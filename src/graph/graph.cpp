#include "graph/graph.hpp"

#include "graph/node_map.hpp"

namespace allgrad {

Graph::Graph(std::vector<Expr> outputs, std::size_t expected_size) : outputs_(std::move(outputs)) {
  constexpr Number entered = 0xffffffff;
  struct Entered {
    const Expr* expr;
    const Expr* next;  // of its operands, the one to visit
  };
  std::vector<Entered> path;  // no recursion, graphs are deep
  NodeMap<Number> numbers;
  numbers.reserve(expected_size);
  nodes_.reserve(expected_size);
  operands_.reserve(expected_size + expected_size / 2);
  first_operand_.reserve(expected_size + 1);
  first_operand_.push_back(0);
  const auto go_to = [&](const Expr& expr) {
    if (!numbers.emplace(expr.node(), entered).second) return;
    path.push_back({&expr, expr.node()->operands.data()});
  };
  const auto number = [&](const Expr& expr) {
    for (const Expr& operand : expr.node()->operands) operands_.push_back(numbers.at(operand.node()));
    first_operand_.push_back(static_cast<Number>(operands_.size()));
    numbers.find(expr.node())->second = static_cast<Number>(nodes_.size());
    nodes_.push_back(expr);
  };
  for (const Expr& output : outputs_) {
    go_to(output);
    while (!path.empty()) {
      const std::vector<Expr>& operands = path.back().expr->node()->operands;
      if (path.back().next != operands.data() + operands.size()) {
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
