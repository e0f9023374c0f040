#include "autodiff/polynomials.hpp"

#include <algorithm>
#include <array>

#include "allgrad/elementwise.hpp"
#include "dsl/elementwise.hpp"

namespace allgrad {

namespace {

/// Steps from a value to a polynomial of it. Longer ones are cut, lest derivatives of high degree overflow.
constexpr std::size_t greatest_depth = 32;

bool is_sum_or_product(Kernel kernel) {
  return kernel == Kernel::add || kernel == Kernel::subtract || kernel == Kernel::neg || kernel == Kernel::multiply ||
         kernel == Kernel::square;
}

/// derivative * factor; an empty derivative is 1.
Expr times(const Expr& derivative, const Expr& factor) { return derivative.empty() ? factor : derivative * factor; }

Expr or_one(const Expr& derivative) { return derivative.empty() ? constant(1.0) : derivative; }

/// The derivative of a sum or product, from those of the operands that vary, `by`.
Expr derivative_of(const Expr& expr, const std::array<bool, 2>& varies, const std::array<Expr, 2>& by) {
  const std::vector<Expr>& operands = expr.node()->operands;
  switch (as<Elementwise>(expr)->kernel()) {
    case Kernel::neg: return -or_one(by[0]);
    case Kernel::square: return times(by[0], 2.0 * operands[0]);
    case Kernel::multiply: {
      if (!varies[1]) return times(by[0], operands[1]);
      if (!varies[0]) return times(by[1], operands[0]);
      return times(by[0], operands[1]) + times(by[1], operands[0]);
    }
    case Kernel::add:
      if (varies[0] && varies[1]) return or_one(by[0]) + or_one(by[1]);
      return varies[0] ? by[0] : by[1];
    default:  // subtract
      if (varies[0] && varies[1]) return or_one(by[0]) - or_one(by[1]);
      return varies[0] ? by[0] : -or_one(by[1]);
  }
}

}  // namespace

void Polynomials::add(const Expr& expr, const std::function<bool(const Expr&)>& varies) {
  const auto kernel = kernel_of(expr);
  if (!kernel || !is_per_row(expr) || !is_sum_or_product(*kernel)) return;
  Term term;
  for (std::size_t k = 0; k < expr.node()->operands.size(); ++k) {
    const Expr& operand = expr.node()->operands[k];
    term.varies[k] = varies(operand);
    if (!term.varies[k]) continue;
    if (operand.placement() != Placement::per_row) return;
    const auto known = terms_.find(operand.node());
    const bool goes_on = known != terms_.end() && known->second.depth < greatest_depth;
    const Expr& of = goes_on ? known->second.of : operand;
    if (!term.of.empty() && term.of.node() != of.node()) return;
    term.uses_twice = term.uses_twice || !term.of.empty() || (goes_on && known->second.uses_twice);
    term.of = of;
    if (goes_on) term.depth = std::max(term.depth, known->second.depth + 1);
  }
  terms_.emplace(expr.node(), std::move(term));
}

std::optional<Polynomials::Polynomial> Polynomials::find(const Expr& expr) {
  const auto found = terms_.find(expr.node());
  if (found == terms_.end() || !found->second.uses_twice) return std::nullopt;
  return Polynomial{found->second.of, derivative(expr)};
}

/// Of a node that has a term; empty where it is 1.
Expr Polynomials::derivative(const Expr& expr) {
  Term& term = terms_.find(expr.node())->second;
  if (!term.derivative.empty()) return term.derivative;
  std::array<Expr, 2> by;  // derivatives of the operands
  for (std::size_t k = 0; k < expr.node()->operands.size(); ++k) {
    const Expr& operand = expr.node()->operands[k];
    if (term.varies[k] && operand.node() != term.of.node()) by[k] = derivative(operand);
  }
  const NodeOrigin origin(expr.node()->where, true);
  return term.derivative = derivative_of(expr, term.varies, by);
}

}  // namespace allgrad
