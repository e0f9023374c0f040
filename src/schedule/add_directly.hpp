#pragma once

#include <vector>

#include "schedule/schedule.hpp"

namespace allgrad {

/// What is only added up is added where it is computed, if its kernel can: a register less is written and read.
void add_directly(LaneLoop& loop, const std::vector<Buffer>& buffers);

}  // namespace allgrad
