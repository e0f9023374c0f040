#include "execute/bind_instruction.hpp"

#include <algorithm>

#include "graph/shape.hpp"

namespace allgrad {

namespace {

/// An axis of an instruction: its length, and the strides in doubles of the result and of each input along it.
struct Axis {
  std::size_t extent;
  std::ptrdiff_t out;
  std::vector<std::ptrdiff_t> in;
};

std::vector<Axis> axes_of(const Instruction& instruction, const Memory& memory) {
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < instruction.extents.size(); ++i) {
    const auto stride = [&](const View& view) { return view.strides[i] * memory.lane_stride[view.buffer]; };
    Axis axis{instruction.extents[i], stride(instruction.out), {}};
    for (const View& view : instruction.inputs) axis.in.push_back(stride(view));
    axes.push_back(std::move(axis));
  }
  return axes;
}

/// True where one loop can run over both axes.
bool collapses(const Axis& outer, const Axis& inner) {
  const auto extent = static_cast<std::ptrdiff_t>(inner.extent);
  bool result = outer.out == inner.out * extent;
  for (std::size_t k = 0; k < inner.in.size(); ++k) result = result && outer.in[k] == inner.in[k] * extent;
  return result;
}

std::vector<Axis> collapse(const std::vector<Axis>& axes) {
  std::vector<Axis> result;
  for (const Axis& axis : axes) {
    if (axis.extent == 1) continue;
    if (!result.empty() && collapses(result.back(), axis)) {
      const std::size_t extent = result.back().extent * axis.extent;
      result.back() = axis;
      result.back().extent = extent;
    } else {
      result.push_back(axis);
    }
  }
  return result;
}

/// True where kernels can take the axis as their inner one.
bool is_contiguous(const Axis& axis, bool may_sum) {
  const auto zero_or_one = [](std::ptrdiff_t stride) { return stride == 0 || stride == 1; };
  return (axis.out == 1 || (may_sum && axis.out == 0)) && std::ranges::all_of(axis.in, zero_or_one);
}

}  // namespace

BoundInstruction bind_instruction(const Instruction& instruction, std::span<const Buffer> buffers, const Memory& memory,
                                  const KernelSet& kernels, bool inner_is_rows) {
  BoundInstruction bound{kernels.functions[static_cast<std::size_t>(instruction.kernel)], {}, {}};
  KernelCall& call = bound.call;
  const auto address = [&](const View& view) {
    return memory.address[view.buffer] + static_cast<std::ptrdiff_t>(view.offset) * memory.lane_stride[view.buffer];
  };
  call.out = address(instruction.out);
  for (std::size_t k = 0; k < max_operands; ++k) call.in[k] = call.out;  // unused operands do not move
  for (std::size_t k = 0; k < instruction.inputs.size(); ++k) {
    const Buffer& buffer = buffers[instruction.inputs[k].buffer];
    call.in[k] = address(instruction.inputs[k]);
    if (buffer.kind == Buffer::Kind::external && buffer.per_row) bound.column[k] = call.in[k];
  }

  std::vector<Axis> axes = collapse(axes_of(instruction, memory));
  call.inner_length = 1;
  if (inner_is_rows) {
    call.out_step = buffers[instruction.out.buffer].per_row ? 1 : 0;
    for (std::size_t k = 0; k < instruction.inputs.size(); ++k) {
      call.in_step[k] = buffers[instruction.inputs[k].buffer].per_row ? 1 : 0;
    }
  } else if (!axes.empty() && is_contiguous(axes.back(), instruction.inputs.size() == 1)) {
    call.inner_length = axes.back().extent;
    call.out_step = axes.back().out;
    std::ranges::copy(axes.back().in, call.in_step);
    axes.pop_back();
  }

  static_assert(max_lane_axes <= max_outer_axes);
  call.num_outer_axes = axes.size();
  for (std::size_t i = 0; i < axes.size(); ++i) {
    call.extent[i] = axes[i].extent;
    call.out_stride[i] = axes[i].out;
    for (std::size_t k = 0; k < axes[i].in.size(); ++k) call.in_stride[k][i] = axes[i].in[k];
  }
  return bound;
}

}  // namespace allgrad
