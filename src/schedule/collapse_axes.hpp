#pragma once

#include <vector>

#include "schedule/schedule.hpp"

namespace allgrad {

/// Makes one axis of two neighbours that all views of a loop run over as over one, and the longest axis the last.
void collapse_axes(LaneLoop& loop, const std::vector<Buffer>& buffers);

}  // namespace allgrad
