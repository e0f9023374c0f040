#include "passes/share_functions.hpp"

#include <optional>

#include "allgrad/elementwise.hpp"
#include "dsl/elementwise.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

/// sigmoid(x) and sigmoid(-x), which is as exact as exp(-x) where it is small; where it is not, that may overflow.
struct Sigmoids {
  Expr direct, mirrored;
};

Sigmoids sigmoids_of(const Expr& x) {
  const Expr e = exp(-x), direct = 1.0 / (1.0 + e);
  return {direct, where(direct < 0.5, 1.0 - direct, e * direct)};
}

class Sharer {
 public:
  explicit Sharer(const std::vector<Expr>& order) {
    for (const Expr& expr : order) {
      if (kernel_of(expr) == Kernel::sigmoid && kernel_of(operand(expr)) == Kernel::neg) {
        mirrored_.insert(operand(operand(expr)).node());
      }
      if (kernel_of(expr) == Kernel::sinh) sinh_.insert(operand(expr).node());
    }
    NodeSet both;
    for (const Expr& expr : order) {
      if (kernel_of(expr) == Kernel::sigmoid && mirrored_.contains(operand(expr).node())) {
        both.insert(operand(expr).node());
      }
    }
    mirrored_ = std::move(both);
  }

  /// What stands for a node; `rebuilt` is the same operation on its new operands.
  Expr shared(const Expr& expr, const Expr& rebuilt) {
    if (kernel_of(expr) == Kernel::cosh && sinh_.contains(operand(expr).node())) return cosh_by_sinh(operand(rebuilt));
    if (kernel_of(expr) == Kernel::sigmoid) {
      if (const Node* x = mirrored_operand(expr)) return sigmoid_of(expr, rebuilt, x);
    }
    if (kernel_of(expr) == Kernel::multiply && kernel_of(operand(expr, 0)) == Kernel::sigmoid &&
        kernel_of(operand(expr, 1)) == Kernel::sigmoid) {
      const Expr &a = operand(operand(expr, 0)), &b = operand(operand(expr, 1));
      const bool mirror = (kernel_of(b) == Kernel::neg && operand(b).node() == a.node()) ||
                          (kernel_of(a) == Kernel::neg && operand(a).node() == b.node());
      if (mirror) {
        return product_of_both(kernel_of(b) == Kernel::neg && operand(b).node() == a.node() ? a.node() : b.node());
      }
    }
    return rebuilt;
  }

 private:
  /// The x of sigmoid(x) or sigmoid(-x), where the graph has both; else null.
  const Node* mirrored_operand(const Expr& sigmoid) const {
    const Expr& x = operand(sigmoid);
    if (mirrored_.contains(x.node())) return x.node();
    return kernel_of(x) == Kernel::neg && mirrored_.contains(operand(x).node()) ? operand(x).node() : nullptr;
  }

  Expr sigmoid_of(const Expr& expr, const Expr& rebuilt, const Node* x) {
    const bool negative = operand(expr).node() != x;
    const Expr argument = negative ? operand(operand(rebuilt)) : operand(rebuilt);
    const Sigmoids& both = sigmoids_.emplace(x, sigmoids_of(argument)).first->second;
    return negative ? both.mirrored : both.direct;
  }

  Expr product_of_both(const Node* x) const {
    const Sigmoids& both = sigmoids_.at(x);
    return both.direct * both.mirrored;
  }

  /// sqrt(1 + sinh(x)^2), which is |sinh(x)| where the square could overflow.
  static Expr cosh_by_sinh(const Expr& x) {
    const Expr s = sinh(x), magnitude = abs(s);
    return where(magnitude > 1e9, magnitude, sqrt(1.0 + square(s)));
  }

  NodeSet mirrored_, sinh_;
  NodeMap<Sigmoids> sigmoids_;
};

}  // namespace

std::vector<Expr> share_functions(const Graph& graph) {
  const auto is_shared = [](const Expr& expr) {
    return kernel_of(expr) == Kernel::sigmoid || kernel_of(expr) == Kernel::sinh;
  };
  if (!any_node(graph, is_shared)) return graph.outputs();
  Sharer sharer(graph.nodes());
  return rewrite(graph, [&](const Expr& now, const Expr& before) { return sharer.shared(before, now); });
}

}  // namespace allgrad
