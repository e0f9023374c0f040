#pragma once

#include <vector>

#include "graph/operator.hpp"

namespace allgrad {

/// The axes in another order: axis i of the result is axis axes[i] of the operand.
class Transpose final : public Operator {
 public:
  explicit Transpose(std::vector<std::size_t> axes) : axes_(std::move(axes)) {}

  std::string_view name() const override { return "transpose"; }
  std::string attributes() const override;
  void identify(Fingerprint& hash) const override;
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::jointly; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;

 private:
  std::vector<std::size_t> axes_;
};

/// The axes in the given order, which names each once.
Expr transposed(const Expr& x, const std::vector<std::size_t>& axes, SourceLocation where);

}  // namespace allgrad
