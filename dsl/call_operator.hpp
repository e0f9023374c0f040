#pragma once

#include <array>
#include <vector>

#include "graph/operator.hpp"
#include "graph/shape.hpp"

namespace allgrad {

/// An operator that is one function, Operator::call, which both executors run: on whole values, or on tiles of rows.
class CallOperator : public Operator {
 public:
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const final;
  View lower(const Node& node, Lowering& lowering) const final;

 protected:
  /// True where `call` adds to what is there, which is 0 before the first rows.
  virtual bool adds() const { return false; }
};

/// A row-major array as an operand, with the lanes and strides that it points to.
class ArrayOperand {
 public:
  /// `data` has the numbers of a value of this shape in so many rows.
  ArrayOperand(const double* data, const Shape& shape, std::size_t num_rows);
  ArrayOperand(const ArrayOperand&) = delete;
  ArrayOperand(ArrayOperand&&) = default;

  const CallOperand& operand() const { return operand_; }

 private:
  std::vector<std::size_t> lanes_;
  std::vector<std::ptrdiff_t> strides_;
  CallOperand operand_;
};

/// A stride for each axis of lanes.
using LaneStrides = std::array<std::ptrdiff_t, max_lane_axes>;

/// Strides of an operand of shape `from` along the lanes of a shape to which it broadcasts, 0 where it is stretched.
/// `skip` last axes of the operand are no part of that.
LaneStrides strides_along(const CallOperand& operand, const Shape& from, const Shape& to, std::size_t skip = 0);

/// Calls body(offsets) at every place of the lanes of a shape, with the offset there of each of N values.
template <std::size_t N, class Body>
void for_each_lane(const Shape& shape, const std::array<LaneStrides, N>& strides, Body body) {
  std::array<std::size_t, max_lane_axes> lengths{}, at{};
  std::size_t ndim = 0;
  for (const Extent& extent : shape) {
    if (extent.is_rows()) continue;
    if (extent.length == 0) return;
    lengths[ndim++] = extent.length;
  }
  std::array<std::ptrdiff_t, N> offsets{};
  for (;;) {
    body(static_cast<const std::array<std::ptrdiff_t, N>&>(offsets));
    std::size_t axis = ndim;
    for (;;) {  // the next place: the last axis runs fastest
      if (axis-- == 0) return;
      const bool steps = ++at[axis] < lengths[axis];
      const std::ptrdiff_t places = steps ? 1 : 1 - static_cast<std::ptrdiff_t>(lengths[axis]);
      for (std::size_t k = 0; k < N; ++k) offsets[k] += places * strides[k][axis];
      if (steps) break;
      at[axis] = 0;
    }
  }
}

}  // namespace allgrad
