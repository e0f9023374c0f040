#include "graph/node.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <new>

#include "allgrad/error.hpp"
#include "graph/operator.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

thread_local const NodeOrigin* current_origin = nullptr;

std::string operand_shapes(const std::vector<Expr>& operands) {
  std::string text;
  for (const Expr& operand : operands) {
    if (!text.empty()) text += ", ";
    text += to_string(operand.shape());
  }
  return text;
}

}  // namespace

Node::Node(std::shared_ptr<const Operator> operation, std::vector<Expr> inputs, std::shared_ptr<const Shape> extents,
           Placement placed, SourceLocation line, bool is_backward)
    : op(std::move(operation)),
      operands(std::move(inputs)),
      shared_shape(std::move(extents)),
      shape(*shared_shape),
      placement(placed),
      where(line),
      backward(is_backward),
      finite(op->is_finite(operands)) {}

Node::~Node() {
  std::vector<Expr> orphans = std::move(operands);
  while (!orphans.empty()) {
    const Expr last = std::move(orphans.back());
    orphans.pop_back();
    if (last.empty() || last.node_ptr().use_count() > 1) continue;
    auto& operands_of_last = const_cast<Node*>(last.node())->operands;  // it is about to be destroyed
    try {
      std::ranges::move(operands_of_last, std::back_inserter(orphans));
    } catch (const std::bad_alloc&) {  // what is left is destroyed with it, in a recursion
      continue;
    }
    operands_of_last.clear();
  }
}

NodeOrigin::NodeOrigin(SourceLocation where, bool backward)
    : outer_(current_origin), where_(where), backward_(backward) {
  current_origin = this;
}

NodeOrigin::~NodeOrigin() { current_origin = outer_; }

Expr make_node(std::shared_ptr<const Operator> op, std::vector<Expr> operands, SourceLocation where) {
  bool backward = false;
  if (current_origin != nullptr) {
    where = current_origin->where_;
    backward = current_origin->backward_;
  }
  try {
    Shape shape = op->infer_shape(operands);
    const auto same = std::ranges::find(operands, shape, &Expr::shape);
    if (same == operands.end()) check_size(shape);
    const Placement placement = op->infer_placement(operands, shape);
    auto shared = same == operands.end() ? std::make_shared<const Shape>(std::move(shape)) : same->node()->shared_shape;
    return Expr(std::make_shared<const Node>(std::move(op), std::move(operands), std::move(shared), placement, where,
                                             backward));
  } catch (const ExpressionError& error) {
    throw ExpressionError(fmt::format("{}({}): {}", op->name(), operand_shapes(operands), error.what()), where);
  }
}

Expr with_operands(const Expr& expr, std::vector<Expr> operands) {
  const Node& node = *expr.node();
  const auto same_node = [](const Expr& a, const Expr& b) { return a.node() == b.node(); };
  if (std::ranges::equal(operands, node.operands, same_node)) return expr;
  const auto alike = [](const Expr& a, const Expr& b) {
    return a.node()->shared_shape == b.node()->shared_shape && a.placement() == b.placement();
  };
  if (std::ranges::equal(operands, node.operands, alike)) {  // nothing to infer
    return Expr(std::make_shared<const Node>(node.op, std::move(operands), node.shared_shape, node.placement,
                                             node.where, node.backward));
  }
  const NodeOrigin origin(node.where, node.backward);
  return make_node(node.op, std::move(operands), node.where);
}

Operand::Operand(const Expr& expr, SourceLocation where) : expr_(expr), where_(where) {
  if (!expr.empty()) return;
  throw ExpressionError("an operand is an empty Expr; give every Expr a value before it is used", where);
}

const Shape& Expr::shape() const {
  if (!node_) throw ExpressionError("an empty Expr has no shape; give it a value before it is used");
  return node_->shape;
}

Placement Expr::placement() const {
  if (!node_) throw ExpressionError("an empty Expr has no placement; give it a value before it is used");
  return node_->placement;
}

}  // namespace allgrad
