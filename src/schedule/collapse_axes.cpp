#include "schedule/collapse_axes.hpp"

#include <algorithm>

namespace allgrad {

namespace {

/// Kernels are called for several lanes of the last axis at once: for as many as there are along any.
void put_longest_last(LaneLoop& loop, const std::vector<Buffer>& buffers) {
  const auto longest = std::ranges::max_element(loop.extents);
  if (*longest == loop.extents.back()) return;
  const auto place = longest - loop.extents.begin();
  const auto to_end = [&](auto& values) {
    std::rotate(values.begin() + place, values.begin() + place + 1, values.end());
  };
  const auto turn = [&](View& view) {
    if (buffers[view.buffer].kind != Buffer::Kind::lane_value) to_end(view.strides);
  };
  to_end(loop.extents);
  for (Instruction& instruction : loop.instructions) {
    turn(instruction.out);
    std::ranges::for_each(instruction.inputs, turn);
  }
}

}  // namespace

void collapse_axes(LaneLoop& loop, const std::vector<Buffer>& buffers) {
  if (loop.extents.size() < 2) return;
  std::vector<View*> views;
  for (Instruction& instruction : loop.instructions) {
    views.push_back(&instruction.out);
    for (View& view : instruction.inputs) views.push_back(&view);
  }
  // Lane values have their lanes in the order of the loop, whatever its axes.
  std::erase_if(views, [&](const View* view) { return buffers[view->buffer].kind == Buffer::Kind::lane_value; });

  std::vector<std::size_t> kept;  // the axes that stay, each the last of those that it stands for
  std::vector<std::size_t> extents;
  for (std::size_t axis = 0; axis < loop.extents.size(); ++axis) {
    const auto extent = static_cast<std::ptrdiff_t>(loop.extents[axis]);
    const bool joins = !kept.empty() && std::ranges::all_of(views, [&](const View* view) {
      return view->strides[kept.back()] == view->strides[axis] * extent;
    });
    if (joins) {
      kept.back() = axis;
      extents.back() *= loop.extents[axis];
    } else {
      kept.push_back(axis);
      extents.push_back(loop.extents[axis]);
    }
  }
  const auto keep = [&](View& view) {
    for (std::size_t i = 0; i < kept.size(); ++i) view.strides[i] = view.strides[kept[i]];
    view.strides.resize(kept.size());
  };
  for (Instruction& instruction : loop.instructions) {
    keep(instruction.out);
    std::ranges::for_each(instruction.inputs, keep);
  }
  loop.extents = std::move(extents);
  put_longest_last(loop, buffers);
}

}  // namespace allgrad
