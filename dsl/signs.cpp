#include "dsl/signs.hpp"

#include <algorithm>
#include <vector>

#include "dsl/constant.hpp"
#include "dsl/elementwise.hpp"

namespace allgrad {

namespace {

/// Operations from a value to what decides its sign.
constexpr int most_steps = 8;

Signs opposite(Signs x) { return {x.never_positive, x.never_negative}; }

Signs of_sum(Signs x, Signs y) { return {x.never_negative && y.never_negative, x.never_positive && y.never_positive}; }

Signs of_product(Signs x, Signs y) {
  return {(x.never_negative && y.never_negative) || (x.never_positive && y.never_positive),
          (x.never_negative && y.never_positive) || (x.never_positive && y.never_negative)};
}

Signs of_constant(const Constant& constant) {
  const auto& numbers = constant.value().storage();
  return {std::ranges::all_of(numbers, [](double x) { return x >= 0.0; }),
          std::ranges::all_of(numbers, [](double x) { return x <= 0.0; })};
}

Signs of_elementwise(const Elementwise& op, const std::vector<Expr>& operands, const std::vector<Signs>& signs) {
  switch (op.kernel()) {
    case Kernel::neg: return opposite(signs[0]);
    case Kernel::add: return of_sum(signs[0], signs[1]);
    case Kernel::subtract: return of_sum(signs[0], opposite(signs[1]));
    case Kernel::multiply:
      if (operands[0].node() == operands[1].node()) return {true, false};
      return of_product(signs[0], signs[1]);
    case Kernel::divide: return of_product(signs[0], signs[1]);
    default: return {op.is_never_negative(), false};
  }
}

Signs signs_within(const Expr& expr, int steps) {
  if (const auto* constant = as<Constant>(expr)) {
    return expr.placement() == Placement::replicated ? of_constant(*constant) : Signs();  // the same on every rank
  }
  const std::vector<Expr>& operands = expr.node()->operands;
  if (steps == 0 || operands.empty()) return {};
  std::vector<Signs> signs;
  for (const Expr& operand : operands) signs.push_back(signs_within(operand, steps - 1));
  if (const auto* op = as<Elementwise>(expr)) return of_elementwise(*op, operands, signs);
  if (expr.node()->op->linearity() != Linearity::jointly) return {};
  Signs all = signs[0];  // what is linear in all operands, and no elementwise formula, moves or adds elements
  for (const Signs& each : signs) all = of_sum(all, each);
  return all;
}

}  // namespace

Signs signs_of(const Expr& expr) { return signs_within(expr, most_steps); }

}  // namespace allgrad
