#include "graph/lowering.hpp"

#include "graph/shape.hpp"

namespace allgrad {

std::vector<std::ptrdiff_t> row_major_strides(const std::vector<std::size_t>& lanes) {
  std::vector<std::ptrdiff_t> strides(lanes.size());
  std::ptrdiff_t stride = 1;
  for (std::size_t axis = lanes.size(); axis-- > 0;) {
    strides[axis] = stride;
    stride *= static_cast<std::ptrdiff_t>(lanes[axis]);
  }
  return strides;
}

View broadcast_view(const View& view, const Shape& from, const Shape& to) {
  View result{view.buffer, view.offset, {}};
  const std::size_t missing = to.size() - from.size();
  std::size_t lane_axis = 0;  // of `from`
  for (std::size_t axis = 0; axis < to.size(); ++axis) {
    const bool present = axis >= missing;
    const bool is_lane = present && !from[axis - missing].is_rows();
    const bool stretched = !is_lane || from[axis - missing].length == 1;
    if (!to[axis].is_rows()) result.strides.push_back(stretched ? 0 : view.strides[lane_axis]);
    if (is_lane) ++lane_axis;
  }
  return result;
}

}  // namespace allgrad
