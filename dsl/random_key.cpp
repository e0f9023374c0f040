#include "dsl/random_key.hpp"

#include <algorithm>

#include "allgrad/random.hpp"
#include "dsl/input.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

bool is_key(const Expr& expr) { return is_input(expr, random_key_name); }

}  // namespace

const Node* find_draw(std::span<const Expr> outputs) {
  const std::vector<Expr> order = topological_order(outputs);
  const auto uses_key = [](const Expr& expr) { return std::ranges::any_of(expr.node()->operands, is_key); };
  auto draw = std::ranges::find_if(order, uses_key);
  if (draw == order.end()) draw = std::ranges::find_if(order, is_key);
  return draw == order.end() ? nullptr : draw->node();
}

Expr random::key(SourceLocation where) {
  return make_node(std::make_shared<const Input>(random_key_name, Shape{2}), {}, where);
}

}  // namespace allgrad
