#pragma once

#include <optional>
#include <vector>

#include "graph/operator.hpp"

namespace allgrad {

/// Which elements of an axis of `length` elements: start, start + step, ..., `count` of them.
struct AxisSlice {
  std::size_t axis = 0;
  std::size_t start = 0;
  std::ptrdiff_t step = 1;
  std::size_t count = 0;
  std::size_t length = 0;
  bool drop = false;  ///< a single element, whose axis the slice lacks

  std::string str() const;
  void identify(Fingerprint& hash) const;
  std::vector<std::size_t> positions() const;
};

/// Calls body(in_full, in_part, length) for each run of elements that a slice takes from a row-major array of the given
/// full shape: offset of the run in that array and in the slice, and its length.
template <class Lengths, class Body>
void for_each_run(const AxisSlice& slice, const Lengths& full, Body body) {
  std::size_t outer = 1, inner = 1;
  for (std::size_t axis = 0; axis < full.size(); ++axis) {
    if (axis != slice.axis) (axis < slice.axis ? outer : inner) *= full[axis];
  }
  for (std::size_t o = 0; o < outer; ++o) {
    for (std::size_t i = 0; i < slice.count; ++i) {
      const std::size_t position = slice.start + i * static_cast<std::size_t>(slice.step);
      body((o * slice.length + position) * inner, (o * slice.count + i) * inner, inner);
    }
  }
}

/// Which elements of a vector [n] an expression consists of: the vector itself, an element or a slice of it, or of such
/// a slice. Nothing for any other expression.
std::optional<AxisSlice> elements_of(const Expr& part, const Expr& vector);

/// The elements of one axis: [.., length, ..] -> [.., count, ..], or without the axis.
class SliceAxis final : public Operator {
 public:
  explicit SliceAxis(AxisSlice slice) : slice_(slice) {}

  std::string_view name() const override { return slice_.drop ? "index" : "slice"; }
  std::string attributes() const override { return slice_.str(); }
  void identify(Fingerprint& hash) const override;
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::jointly; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;

  const AxisSlice& slice() const { return slice_; }

 private:
  AxisSlice slice_;
};

/// The transpose of SliceAxis: the operand's elements at the places of the slice, zeros elsewhere.
class PadAxis final : public Operator {
 public:
  explicit PadAxis(AxisSlice slice) : slice_(slice) {}

  std::string_view name() const override { return "pad"; }
  std::string attributes() const override;
  void identify(Fingerprint& hash) const override;
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::jointly; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;

  const AxisSlice& slice() const { return slice_; }

 private:
  AxisSlice slice_;
};

/// `count` elements of an axis from `start`.
Expr slice_axis(const Expr& x, std::size_t axis, std::size_t start, std::size_t count, SourceLocation where);

}  // namespace allgrad
