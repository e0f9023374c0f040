#pragma once

#include <optional>

#include "graph/operator.hpp"

namespace allgrad {

/// Known numbers: replicated (compiling checks that they are the same on every rank), per rank where the user asked
/// for that, or partial where a share was computed at compile.
class Constant final : public Operator {
 public:
  Constant(Array value, Placement placement);

  const Array& value() const { return value_; }

  std::string_view name() const override { return "constant"; }
  std::string attributes() const override;
  std::string label() const override;
  void identify(Fingerprint& hash) const override;
  bool is_zero() const override { return is_zero_; }
  bool is_finite(std::span<const Expr>) const override { return is_finite_; }
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::none; }
  Placement infer_placement(std::span<const Expr> operands, const Shape& shape) const override;
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;

 private:
  Array value_;
  Placement placement_;
  bool is_zero_, is_finite_;  // the same on every rank
};

/// A constant computed while compiling.
Expr folded_constant(Array value, Placement placement, SourceLocation where);

/// What an operation whose operands are replicated constants is; any other as it is.
Expr folded(const Expr& expr);

/// True for a replicated constant that multiplies like a number: all of its elements are finite and not 0.
bool is_factor(const Expr& expr);

/// The only element of a replicated constant whose elements are all the same to the bit; nothing otherwise.
std::optional<double> uniform_value(const Expr& expr);

}  // namespace allgrad
