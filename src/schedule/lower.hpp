#pragma once

#include "schedule/regions.hpp"
#include "schedule/schedule.hpp"

namespace allgrad {

/// Turns the nodes of regions into instructions, each in a lane loop of its own, over buffers of whole values.
Schedule lower(const std::vector<Region>& regions, const Graph& graph);

}  // namespace allgrad
