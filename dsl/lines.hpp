#pragma once

#include <cstddef>

#include "graph/lowering.hpp"

namespace allgrad {

/// Calls body(out, in) with the first elements of each line of two values along a lane axis: at every place in the
/// other lane axes, whose lengths both share.
template <class Body>
void for_each_line(const CallOperand& out, const CallOperand& in, std::size_t axis, Body body, std::size_t from = 0,
                   std::ptrdiff_t out_at = 0, std::ptrdiff_t in_at = 0) {
  if (from == out.lanes.size()) return body(out.data + out_at, static_cast<const double*>(in.data + in_at));
  const std::size_t length = from == axis ? 1 : out.lanes[from];
  for (std::size_t i = 0; i < length; ++i) {
    for_each_line(out, in, axis, body, from + 1, out_at, in_at);
    out_at += out.strides[from];
    in_at += in.strides[from];
  }
}

}  // namespace allgrad
