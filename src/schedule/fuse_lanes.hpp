#pragma once

#include <vector>

#include "schedule/schedule.hpp"

namespace allgrad {

/// Joins the lane loops of a sweep over rows, one for each instruction, into as few as what depends on what allows.
/// What only one loop uses, lane by lane, becomes a lane value: it is never held in all its lanes, however many it has.
void fuse_lanes(RowLoop& sweep, std::vector<Buffer>& buffers);

/// Joins the lane loops of values that are not per row in the same way, where one of them has many lanes.
void fuse_lanes(DenseStep& step, const std::vector<Buffer>& buffers);

}  // namespace allgrad
