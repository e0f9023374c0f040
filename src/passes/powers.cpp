#include "passes/powers.hpp"

#include <cmath>
#include <optional>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "base/finite.hpp"
#include "dsl/constant.hpp"
#include "dsl/elementwise.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

/// base raised to x, by an exponential; empty where there is none as accurate.
Expr exponential(double base, const Expr& x) {
  if (base == 10.0) return exp10(x);
  if (base == 2.0) return exp2(x);
  int exponent = 0;
  const bool is_power_of_2 = std::frexp(base, &exponent) == 0.5;
  const double log2_base = exponent - 1, magnitude = std::abs(log2_base);
  const bool scales_exactly = magnitude == 1.0 || magnitude == 2.0 || magnitude == 4.0;
  return is_power_of_2 && scales_exactly ? exp2(log2_base * x) : Expr();
}

/// x raised to a whole number from 1 to 4.
Expr product(const Expr& x, double exponent) {
  if (exponent == 1.0) return x;
  const Expr squared = square(x);
  if (exponent == 2.0) return squared;
  return exponent == 3.0 ? squared * x : square(squared);
}

/// x raised to a whole number and a half from 0.5 to 2.5. Roots of -0 and of minus infinity are not what a power is.
Expr root(const Expr& x, double exponent) {
  const Expr unsigned_zero = x + 0.0, root = sqrt(unsigned_zero);
  return exponent == 0.5 ? root : product(unsigned_zero, exponent - 0.5) * root;
}

/// x raised to a constant, by products and roots; empty for other constants.
Expr small_power(const Expr& x, double exponent) {
  const double magnitude = std::abs(exponent);
  if (magnitude == 0.0) return broadcast_to(1.0, x.shape());
  const bool is_whole = magnitude == std::floor(magnitude) && magnitude <= 4.0;
  const bool is_half = magnitude == 0.5 || magnitude == 1.5 || magnitude == 2.5;
  if (!is_whole && !is_half) return {};
  Expr power = is_whole ? product(x, magnitude) : root(x, magnitude);
  if (exponent < 0.0) power = 1.0 / power;
  return is_whole ? power : where(equal(x, -infinity), std::pow(-infinity, exponent), power);
}

bool is_power(const Expr& expr) { return kernel_of(expr) == Kernel::pow || kernel_of(expr) == Kernel::power_below; }

Expr without_power(const Expr& expr) {
  if (!is_power(expr)) return expr;
  const bool is_below = kernel_of(expr) == Kernel::power_below;
  const Expr &x = expr.node()->operands[0], &y = expr.node()->operands[1];
  const auto base = uniform_value(x), exponent = uniform_value(y);
  Expr power;
  if (exponent) {
    power = small_power(x, is_below ? *exponent - 1.0 : *exponent);
  } else if (base && !is_below) {
    power = exponential(*base, y);
  }
  if (power.empty()) return expr;
  power = broadcast_to(power, expr.shape());
  return power.placement() == expr.placement() ? power : expr;
}

}  // namespace

std::vector<Expr> powers(const Graph& graph) {
  return any_node(graph, is_power) ? rewrite(graph, without_power) : graph.outputs();
}

}  // namespace allgrad
