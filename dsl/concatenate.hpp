#pragma once

#include "graph/operator.hpp"

namespace allgrad {

class Concatenate final : public Operator {
 public:
  explicit Concatenate(std::size_t axis) : axis_(axis) {}

  std::string_view name() const override { return "concatenate"; }
  std::string attributes() const override;
  void identify(Fingerprint& hash) const override;
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::jointly; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;

  std::size_t axis() const { return axis_; }

 private:
  std::size_t axis_;
};

Expr concatenate_axis(std::vector<Expr> parts, std::size_t axis, SourceLocation where);

}  // namespace allgrad
