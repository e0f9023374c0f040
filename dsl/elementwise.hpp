#pragma once

#include <optional>

#include "dsl/kernel_id.hpp"
#include "graph/operator.hpp"

namespace allgrad {

/// A row of operators.def.
struct ElementwiseRow {
  std::string_view name;
  Kernel kernel;
  std::size_t num_operands;
  Linearity linearity;
  double (*value)(double x, double y, double z);  ///< 0 beyond num_operands
  /// Cotangent of operand k; `operands` has three entries, empty beyond num_operands.
  Expr (*adjoint)(std::span<const Expr, 3> operands, const Expr& value, const Expr& cotangent, std::size_t k);
  double domain[3][2];
  /// How far value and derivatives may be from the exact ones, in units of the last place, at operands (0 beyond
  /// num_operands) and the value there.
  double (*value_ulps)(double x, double y, double z, double v);
  double (*derivative_ulps)(double x, double y, double z, double v);
  /// The columns as they are written.
  std::string_view value_text, derivative_text[3], value_ulps_text, derivative_ulps_text;
  std::string_view documentation, peers;

  /// False where the derivative by operand k is refused.
  bool has_derivative(std::size_t k) const { return derivative_text[k] != "ALLGRAD_REFUSED"; }
};

/// All rows of operators.def, in its order.
std::span<const ElementwiseRow> elementwise_rows();

/// Applies the row with the given kernel.
Expr elementwise(Kernel kernel, std::vector<Expr> operands, SourceLocation where);

/// cotangent * partial, or a tangent times a partial: what is exactly 0 is so whatever the other is, as is a branch
/// that is not taken, a step, or a residual that vanishes. A plain product where both are finite by their kind.
Expr chain(const Expr& cotangent, const Expr& partial);

/// An operator of the table: applied to each element after broadcasting.
class Elementwise final : public Operator {
 public:
  explicit Elementwise(const ElementwiseRow& row) : row_(row) {}

  Kernel kernel() const { return row_.kernel; }

  /// True where values are at least 0, whatever the operands are.
  bool is_never_negative() const;

  std::string_view name() const override { return row_.name; }
  void identify(Fingerprint&) const override {}
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return row_.linearity; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  bool is_finite(std::span<const Expr> operands) const override;
  Expr tangent(const Expr& node, std::span<const Expr> tangents) const override;
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;

 private:
  const ElementwiseRow& row_;
};

/// The row of the table that a node applies, if it does one.
inline std::optional<Kernel> kernel_of(const Expr& expr) {
  const auto* op = as<Elementwise>(expr);
  return op == nullptr ? std::nullopt : std::optional(op->kernel());
}

}  // namespace allgrad
