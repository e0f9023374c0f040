#include "dsl/write_rows.hpp"

#include "graph/shape.hpp"

namespace allgrad {

void WriteRows::call(const Node& node, const CallArguments& arguments) const {
  const Shape& shape = node.operands[0].shape();
  const CallOperand &in = arguments.in[0], &row_numbers = arguments.in[1];
  const auto lanes = static_cast<std::ptrdiff_t>(num_lanes(shape));
  const std::vector<std::size_t> lengths = lane_shape(shape);
  const std::vector<std::ptrdiff_t> strides = row_major_strides(lengths);
  const CallOperand out{rows_->data(), lengths, strides, lanes};
  const auto first_row = static_cast<double>(rows_of(shape)->first_row);
  for_each_lane<2>(shape, {strides_along(in, shape, shape), strides_along(out, shape, shape)}, [&](const auto& at) {
    for (std::size_t i = 0; i < arguments.num_rows; ++i) {
      const auto row = static_cast<std::ptrdiff_t>(i);
      const auto place = static_cast<std::ptrdiff_t>(row_numbers.data[row * row_numbers.row_stride] - first_row);
      out.data[at[1] + place * lanes] = in.data[at[0] + row * in.row_stride];
    }
  });
}

}  // namespace allgrad
