#include "dsl/call_operator.hpp"

#include <xtensor/xbuilder.hpp>

namespace allgrad {

ArrayOperand::ArrayOperand(const double* data, const Shape& shape, std::size_t num_rows) : lanes_(lane_shape(shape)) {
  const auto rows = row_axis(shape);
  std::vector<std::size_t> lengths = lanes_;
  if (rows) lengths.insert(lengths.begin() + static_cast<std::ptrdiff_t>(*rows), num_rows);
  strides_ = row_major_strides(lengths);
  operand_.data = const_cast<double*>(data);  // operands are only read
  if (rows) {
    operand_.row_stride = strides_[*rows];
    strides_.erase(strides_.begin() + static_cast<std::ptrdiff_t>(*rows));
  }
  operand_.lanes = lanes_;
  operand_.strides = strides_;
}

Array CallOperator::evaluate(const Node& node, std::span<const Array* const> operands, Evaluation&) const {
  Array result = xt::zeros<double>(local_shape(node.shape));
  if (result.size() == 0) return result;
  std::shared_ptr<const RowAxis> rows = rows_of(node.shape);
  for (const Expr& operand : node.operands) {
    if (rows == nullptr) rows = rows_of(operand.shape());
  }
  const std::size_t num_rows = rows == nullptr ? 1 : rows->local_rows;
  std::vector<ArrayOperand> arrays;
  arrays.reserve(operands.size());
  std::vector<CallOperand> in;
  for (std::size_t k = 0; k < operands.size(); ++k) {
    in.push_back(arrays.emplace_back(operands[k]->data(), node.operands[k].shape(), num_rows).operand());
  }
  const ArrayOperand out(result.data(), node.shape, num_rows);
  call(node, {out.operand(), in, num_rows});
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
