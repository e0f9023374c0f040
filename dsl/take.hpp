#pragma once

#include <array>

#include "base/fingerprint.hpp"
#include "dsl/call_operator.hpp"

namespace allgrad {

/// The elements of the last axis at computed positions: v [.., n] and an index that broadcasts with the other axes of
/// v. Of a table that all rows share, a kernel takes them. `outside` is what stands where there is no such position.
class Take final : public CallOperator {
 public:
  Take(std::size_t length, double outside) : length_and_outside_{static_cast<double>(length), outside} {}

  std::string_view name() const override { return "take"; }
  std::string attributes() const override;
  void identify(Fingerprint& hash) const override { hash.add(length_and_outside_[1]); }
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::first; }
  bool is_finite(std::span<const Expr> operands) const override;
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Expr tangent(const Expr& node, std::span<const Expr> tangents) const override;
  View lower(const Node& node, Lowering& lowering) const override;
  void call(const Node& node, const CallArguments& arguments) const override;

 private:
  std::array<double, 2> length_and_outside_;  ///< the length is that of the last axis
};

/// The transpose of Take: x, added up at the positions of the last axis of a value of the given shape, [.., n]. Its
/// other axes and the index broadcast to the shape of x; the sum is over axes of x that it lacks. Of sums over rows, a
/// kernel adds them up.
class ScatterAdd final : public CallOperator {
 public:
  explicit ScatterAdd(Shape shape)
      : shape_(std::move(shape)), length_(shape_.empty() ? 0.0 : static_cast<double>(shape_.back().length)) {}

  std::string_view name() const override { return "scatter_add"; }
  std::string attributes() const override { return "shape=" + to_string(shape_); }
  void identify(Fingerprint& hash) const override { add_to(hash, shape_); }
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::first; }
  Placement infer_placement(std::span<const Expr> operands, const Shape& shape) const override;
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Expr tangent(const Expr& node, std::span<const Expr> tangents) const override;
  View lower(const Node& node, Lowering& lowering) const override;
  void call(const Node& node, const CallArguments& arguments) const override;

 protected:
  bool adds() const override { return true; }

 private:
  Shape shape_;
  double length_;  ///< of the last axis
};

/// NaN where there is no such position.
Expr take_last(const Expr& v, const Expr& index, SourceLocation where);

}  // namespace allgrad
