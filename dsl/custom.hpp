#pragma once

#include <memory>
#include <string>

#include "allgrad/custom.hpp"
#include "dsl/call_operator.hpp"

namespace allgrad {

struct NamedFunction {
  std::string name;
  CustomFunction function;
};

/// What an operator that calls a function of the user's has in common: its name is on every rank, the function itself
/// is one of this rank's.
class CustomOperator : public CallOperator {
 public:
  std::string attributes() const override { return function_->name; }
  void identify(Fingerprint& hash) const override;
  bool same_on_this_rank(const Operator& other) const override;
  bool is_finite(std::span<const Expr>) const override { return false; }  // the user's

 protected:
  explicit CustomOperator(std::shared_ptr<const NamedFunction> function) : function_(std::move(function)) {}

  std::shared_ptr<const NamedFunction> function_;
};

/// The value.
class Custom final : public CustomOperator {
 public:
  Custom(std::shared_ptr<const NamedFunction> function, Shape shape)
      : CustomOperator(std::move(function)), shape_(std::move(shape)) {}

  std::string_view name() const override { return "custom"; }
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Expr tangent(const Expr& node, std::span<const Expr> tangents) const override;
  bool has_tangent() const override { return function_->function.jvp != nullptr; }
  void call(const Node& node, const CallArguments& arguments) const override;

 private:
  Shape shape_;
};

/// Cotangents of the operands from that of the value: cotangent, value, operands... -> those of all operands per row,
/// one behind the other as lanes [rows, n], or those of all others [n], which are shares where the value is per row.
class CustomCotangents final : public CustomOperator {
 public:
  CustomCotangents(std::shared_ptr<const NamedFunction> function, bool per_row)
      : CustomOperator(std::move(function)), per_row_(per_row) {}

  /// Those of operand k, of its shape.
  static Expr of_operand(const Expr& cotangents, const Expr& operand, std::size_t first_lane);

  /// How many lanes come before those of operand k of a custom node.
  static std::size_t lanes_before(std::span<const Expr> operands, std::size_t k);

  std::string_view name() const override { return "custom_cotangents"; }
  void identify(Fingerprint& hash) const override;
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::first; }
  Placement infer_placement(std::span<const Expr> operands, const Shape& shape) const override;
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Expr tangent(const Expr& node, std::span<const Expr> tangents) const override;
  bool has_tangent() const override { return false; }
  void call(const Node& node, const CallArguments& arguments) const override;

 protected:
  bool adds() const override { return !per_row_; }

 private:
  bool per_row_;
};

/// The tangent of the value from those of the operands: value, operands..., tangents... -> of the value's shape.
class CustomTangent final : public CustomOperator {
 public:
  explicit CustomTangent(std::shared_ptr<const NamedFunction> function) : CustomOperator(std::move(function)) {}

  std::string_view name() const override { return "custom_tangent"; }
  Shape infer_shape(std::span<const Expr> operands) const override { return operands[0].shape(); }
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Expr tangent(const Expr& node, std::span<const Expr> tangents) const override;
  bool has_tangent() const override { return false; }
  void call(const Node& node, const CallArguments& arguments) const override;
};

}  // namespace allgrad
