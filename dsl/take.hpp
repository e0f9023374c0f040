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
      : shape_(std::move(shape)),
        length_and_step_{shape_.empty() ? 0.0 : static_cast<double>(shape_.back().length), 1.0} {}

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
  std::array<double, 2> length_and_step_;  ///< of the last axis, for the kernel: its numbers lie side by side
};

/// The position that a number is, or -1 where it is none of `length`.
std::ptrdiff_t position_of(double number, double length);

/// Calls add(place, term) for the terms x of a call whose operands are x [..] and an index that broadcasts to it: the
/// place is that of the index in the result, [.., n, ..], which has `behind` axes from that of the positions on.
template <class Add>
void for_each_scattered(const Node& node, const CallArguments& arguments, std::size_t behind, Add add) {
  const CallOperand &out = arguments.out, &x = arguments.in[0], &index = arguments.in[1];
  const Shape &from = node.operands[0].shape(), &to = node.shape;
  const std::ptrdiff_t step = out.strides[out.strides.size() - behind];
  const auto length = static_cast<double>(to[to.size() - behind].length);
  const std::array<LaneStrides, 3> strides = {strides_along(out, to, from, behind), strides_along(x, from, from),
                                              strides_along(index, node.operands[1].shape(), from)};
  for_each_lane<3>(from, strides, [&](const auto& at) {
    for (std::size_t row = 0; row < arguments.num_rows; ++row) {
      const auto r = static_cast<std::ptrdiff_t>(row);
      const std::ptrdiff_t position = position_of(index.data[at[2] + r * index.row_stride], length);
      if (position >= 0) add(out.data + at[0] + r * out.row_stride + position * step, x.data[at[1] + r * x.row_stride]);
    }
  });
}

/// NaN where there is no such position.
Expr take_last(const Expr& v, const Expr& index, SourceLocation where);

}  // namespace allgrad
