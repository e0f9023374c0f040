#pragma once

#include <vector>

#include "schedule/schedule.hpp"

namespace allgrad {

/// Runs two instructions as one where the second alone uses what the first gives: what is only summed is added up as it
/// is computed, and pairs of sums, differences and products become one kernel. A register less is written and read.
void combine(LaneLoop& loop, const std::vector<Buffer>& buffers);

}  // namespace allgrad
