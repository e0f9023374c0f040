#include "dsl/constant.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"

namespace allgrad {

Constant::Constant(Array value, Placement placement)
    : value_(std::move(value)),
      placement_(placement),
      is_zero_(placement == Placement::replicated &&
               std::ranges::all_of(value_.storage(), [](double v) { return v == 0.0; })),
      is_finite_(placement == Placement::replicated &&
                 std::ranges::all_of(value_.storage(), [](double v) { return std::isfinite(v); })) {}

std::string Constant::attributes() const {
  return value_.size() == 1 ? fmt::format("{}", value_.storage()[0]) : label();
}

std::string Constant::label() const {
  const auto& numbers = value_.storage();
  if (numbers.size() == 1) return fmt::format("{:.6g}", numbers[0]);
  std::string text;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (numbers.size() > 4 && i == 2) {
      text += ", ...";
      i = numbers.size() - 1;
    }
    text += fmt::format("{}{:.6g}", i == 0 ? "" : ", ", numbers[i]);
  }
  return fmt::format("[{}]", text);
}

void Constant::identify(Fingerprint& hash) const {
  hash.add(value_.shape().size());
  for (std::size_t extent : value_.shape()) hash.add(extent);
  for (double number : value_.storage()) hash.add(number);
}

Shape Constant::infer_shape(std::span<const Expr>) const { return Shape(value_.shape().begin(), value_.shape().end()); }

Placement Constant::infer_placement(std::span<const Expr>, const Shape&) const { return placement_; }

Expr Constant::adjoint(const Expr&, const Expr&, std::size_t) const { return {}; }

Array Constant::evaluate(const Node&, std::span<const Array* const>, Evaluation&) const { return value_; }

View Constant::lower(const Node& node, Lowering& lowering) const {
  return lowering.external(value_.data(), node.shape);
}

Expr constant(Array value, SourceLocation where) {
  return folded_constant(std::move(value), Placement::replicated, where);
}

Expr rank_constant(Array value, SourceLocation where) {
  return folded_constant(std::move(value), Placement::per_rank, where);
}

Expr folded_constant(Array value, Placement placement, SourceLocation where) {
  return make_node(std::make_shared<const Constant>(std::move(value), placement), {}, where);
}

Expr folded(const Expr& expr) {
  class ConstantsOnly final : public Evaluation {
   public:
    std::span<const double> input(std::string_view) const override { throw InternalError("a constant has an input"); }
    Array allreduce(const Array&) override { throw InternalError("a constant has an allreduce"); }
  };
  const Node& node = *expr.node();
  std::vector<const Array*> operands;
  for (const Expr& operand : node.operands) {
    const auto* constant = as<Constant>(operand);
    if (constant == nullptr || operand.placement() != Placement::replicated) return expr;
    operands.push_back(&constant->value());
  }
  if (operands.empty() || expr.placement() != Placement::replicated) return expr;
  ConstantsOnly evaluation;
  return folded_constant(node.op->evaluate(node, operands, evaluation), Placement::replicated, node.where);
}

bool is_factor(const Expr& expr) {
  const Constant* constant = as<Constant>(expr);
  return constant != nullptr && expr.placement() == Placement::replicated && expr.node()->finite &&
         std::ranges::none_of(constant->value().storage(), [](double v) { return v == 0.0; });
}

std::optional<double> uniform_value(const Expr& expr) {
  const Constant* constant = as<Constant>(expr);
  if (constant == nullptr || expr.placement() != Placement::replicated || constant->value().size() == 0) return {};
  const auto& numbers = constant->value().storage();
  const auto bits = [](double number) { return std::bit_cast<std::uint64_t>(number); };  // 0 and -0 are not the same
  const bool uniform = std::ranges::all_of(numbers, [&](double v) { return bits(v) == bits(numbers[0]); });
  return uniform ? std::optional(numbers[0]) : std::nullopt;
}

}  // namespace allgrad
