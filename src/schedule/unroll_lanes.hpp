#pragma once

#include <vector>

#include "schedule/schedule.hpp"

namespace allgrad {

/// Writes loops over few lanes out, lane by lane, and joins those that come one after the other: for code that keeps
/// values in the processor's registers, which it can do within one loop alone. Other loops stay as they are.
std::vector<LaneLoop> unroll_lanes(const std::vector<LaneLoop>& loops);

}  // namespace allgrad
