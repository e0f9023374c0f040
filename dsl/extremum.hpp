#pragma once

#include <vector>

#include "dsl/call_operator.hpp"

namespace allgrad {

/// The largest element over axes of lanes, or the smallest. A second operand of the same shape, where there is one,
/// says how many times each element counts, for the sharing of the gradient by equal ones.
class Extremum final : public CallOperator {
 public:
  Extremum(bool smallest, std::vector<std::size_t> axes) : smallest_(smallest), axes_(std::move(axes)) {}

  std::string_view name() const override { return smallest_ ? "amin" : "amax"; }
  std::string attributes() const override;
  void identify(Fingerprint& hash) const override;
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Expr tangent(const Expr& node, std::span<const Expr> tangents) const override;
  View lower(const Node& node, Lowering& lowering) const override;
  void call(const Node& node, const CallArguments& arguments) const override;

 private:
  /// Which share each element of the operand has in the result.
  Expr shares(const Expr& node) const;

  bool smallest_;
  std::vector<std::size_t> axes_;  // sorted
};

/// The position of the first largest element along an axis of lanes, or of the first smallest.
class ExtremumPosition final : public CallOperator {
 public:
  ExtremumPosition(bool smallest, std::size_t axis) : smallest_(smallest), axis_(axis) {}

  std::string_view name() const override { return smallest_ ? "argmin" : "argmax"; }
  std::string attributes() const override;
  void identify(Fingerprint& hash) const override;
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr&, const Expr&, std::size_t) const override { return {}; }
  Expr tangent(const Expr&, std::span<const Expr>) const override { return {}; }
  void call(const Node& node, const CallArguments& arguments) const override;

 private:
  bool smallest_;
  std::size_t axis_;
};

}  // namespace allgrad
