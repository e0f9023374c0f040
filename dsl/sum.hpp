#pragma once

#include "graph/operator.hpp"

namespace allgrad {

class Sum final : public Operator {
 public:
  /// `axes` ascending, counted from 0.
  explicit Sum(std::vector<std::size_t> axes) : axes_(std::move(axes)) {}

  std::string_view name() const override { return "sum"; }
  std::string attributes() const override;
  void identify(Fingerprint& hash) const override;
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::jointly; }
  Placement infer_placement(std::span<const Expr> operands, const Shape& shape) const override;
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;

  const std::vector<std::size_t>& axes() const { return axes_; }

 private:
  std::vector<std::size_t> axes_;
};

/// The axes of a shape that a sum over `axes` (ascending) leaves.
std::vector<std::size_t> remaining_axes(const Shape& shape, const std::vector<std::size_t>& axes);

/// Where the terms of a sum over `axes` of a value of shape `from` are added: the sum, standing still along these.
View sink_of(const View& sum, const Shape& from, const std::vector<std::size_t>& axes);

/// Sum over `axes` (ascending, counted from 0); `x` itself where there are none.
Expr sum_over(const Expr& x, std::vector<std::size_t> axes, SourceLocation where);

}  // namespace allgrad
