#include "dsl/random_key.hpp"

#include <algorithm>

#include "allgrad/random.hpp"
#include "dsl/input.hpp"

namespace allgrad {

namespace {

bool is_key(const Expr& expr) { return is_input(expr, random_key_name); }

}  // namespace

const Node* find_draw(const Graph& graph) {
  const Node *key = nullptr, *draw = nullptr;
  for (const Expr& expr : graph.nodes()) {
    if (key == nullptr && is_key(expr)) key = expr.node();
    if (draw == nullptr && std::ranges::any_of(expr.node()->operands, is_key)) draw = expr.node();
  }
  return draw != nullptr ? draw : key;
}

Expr random::key(SourceLocation where) {
  return make_node(std::make_shared<const Input>(random_key_name, Shape{2}), {}, where);
}

}  // namespace allgrad
