#include "passes/simplify.hpp"

#include <bit>
#include <cstdint>

#include "allgrad/elementwise.hpp"
#include "dsl/constant.hpp"
#include "dsl/elementwise.hpp"
#include "dsl/reshape.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

/// What an operation is equal to in IEEE arithmetic, if that is simpler; else itself. The result may have
/// fewer axes. The sign of a zero counts: x + 0 is 0 at x = -0, where x + (-0) is x; 0 - x is 0 at x = 0, where -x is
/// -0.
Expr simpler(const Expr& expr) {
  if (as<Reshape>(expr) != nullptr && as<Reshape>(operand(expr, 0)) != nullptr) {
    return reshaped(operand(operand(expr, 0), 0), expr.shape());
  }
  const auto* op = as<Elementwise>(expr);
  if (op == nullptr) return expr;
  const auto constant_operand = [&](std::size_t k, double value) {
    const auto uniform = uniform_value(operand(expr, k));
    return uniform && std::bit_cast<std::uint64_t>(*uniform) == std::bit_cast<std::uint64_t>(value);
  };
  switch (op->kernel()) {
    case Kernel::add:
      if (constant_operand(0, -0.0)) return operand(expr, 1);
      if (constant_operand(1, -0.0)) return operand(expr, 0);
      if (kernel_of(operand(expr, 1)) == Kernel::neg) return operand(expr, 0) - operand(operand(expr, 1), 0);
      if (kernel_of(operand(expr, 0)) == Kernel::neg) return operand(expr, 1) - operand(operand(expr, 0), 0);
      return expr;
    case Kernel::subtract:
      if (constant_operand(1, 0.0)) return operand(expr, 0);
      if (constant_operand(0, -0.0)) return -operand(expr, 1);
      if (kernel_of(operand(expr, 1)) == Kernel::neg) return operand(expr, 0) + operand(operand(expr, 1), 0);
      return expr;
    case Kernel::multiply:
      if (constant_operand(0, 1.0)) return operand(expr, 1);
      if (constant_operand(1, 1.0)) return operand(expr, 0);
      return expr;
    case Kernel::safe_multiply:
      if (constant_operand(0, 1.0)) return operand(expr, 1);
      if (constant_operand(1, 1.0)) return operand(expr, 0);
      return is_factor(operand(expr, 0)) || is_factor(operand(expr, 1)) ? operand(expr, 0) * operand(expr, 1) : expr;
    case Kernel::divide: return constant_operand(1, 1.0) ? operand(expr, 0) : expr;
    case Kernel::neg: return kernel_of(operand(expr, 0)) == Kernel::neg ? operand(operand(expr, 0), 0) : expr;
    default: return expr;
  }
}

}  // namespace

std::vector<Expr> simplify(const Graph& graph) {
  return rewrite(graph, [](const Expr& expr) {
    const Expr result = simpler(expr);
    const bool same_type = result.shape() == expr.shape() && result.placement() == expr.placement();
    return same_type ? result : expr;
  });
}

}  // namespace allgrad
