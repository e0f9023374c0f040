#include "dsl/call_operator.hpp"

#include <xtensor/xbuilder.hpp>

namespace allgrad {

namespace {

/// A whole array as an operand: its lanes and strides, and where they are kept.
struct WholeOperand {
  std::vector<std::size_t> lanes;
  std::vector<std::ptrdiff_t> strides;
  CallOperand operand;

  WholeOperand(const double* data, const Shape& shape) : lanes(lane_shape(shape)) {
    strides = row_major_strides(local_shape(shape));
    const auto rows = row_axis(shape);
    operand.data = const_cast<double*>(data);  // operands are only read
    if (rows) {
      operand.row_stride = strides[*rows];
      strides.erase(strides.begin() + static_cast<std::ptrdiff_t>(*rows));
    }
    operand.lanes = lanes;
    operand.strides = strides;
  }
};

}  // namespace

Array CallOperator::evaluate(const Node& node, std::span<const Array* const> operands, Evaluation&) const {
  Array result = xt::zeros<double>(local_shape(node.shape));
  if (result.size() == 0) return result;
  std::shared_ptr<const RowAxis> rows = rows_of(node.shape);
  std::vector<WholeOperand> whole;
  whole.reserve(operands.size());
  std::vector<CallOperand> in;
  for (std::size_t k = 0; k < operands.size(); ++k) {
    const Shape& shape = node.operands[k].shape();
    if (rows == nullptr) rows = rows_of(shape);
    in.push_back(whole.emplace_back(operands[k]->data(), shape).operand);
  }
  const WholeOperand out(result.data(), node.shape);
  call(node, {out.operand, in, rows == nullptr ? 1 : rows->local_rows});
  return result;
}

View CallOperator::lower(const Node& node, Lowering& lowering) const {
  const View out = adds() ? lowering.zeros(node.shape) : lowering.allocate(node.shape);
  lowering.emit_call(out);
  return out;
}

LaneStrides strides_along(const CallOperand& operand, const Shape& from, const Shape& to, std::size_t skip) {
  LaneStrides strides{};
  const std::size_t ndim = from.size() - skip, missing = to.size() - ndim;
  std::size_t lane = 0, from_lane = 0;
  for (std::size_t axis = 0; axis < to.size(); ++axis) {
    const bool has_axis = axis >= missing, is_lane = !to[axis].is_rows();
    const bool has_lane = has_axis && !from[axis - missing].is_rows();
    if (is_lane && has_lane && from[axis - missing] == to[axis]) strides[lane] = operand.strides[from_lane];
    if (is_lane) ++lane;
    if (has_lane) ++from_lane;
  }
  return strides;
}

}  // namespace allgrad
