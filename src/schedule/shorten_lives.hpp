#pragma once

#include <vector>

#include "schedule/schedule.hpp"

namespace allgrad {

/// Moves instructions whose values one later loop over the same lanes reads, and no other, into that loop: lane by
/// lane, the values need not be kept.
void shorten_lives(std::vector<LaneLoop>& loops, const std::vector<Buffer>& buffers);

}  // namespace allgrad
