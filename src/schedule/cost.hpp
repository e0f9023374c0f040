#pragma once

#include <cstddef>

#include "schedule/schedule.hpp"

namespace allgrad {

/// About how many nanoseconds a run takes on a processor of today, its rows dealt out evenly over ranks: good enough to
/// choose between two schedules for one thing, and the same on every rank.
double estimated_nanoseconds(const Schedule& schedule, std::size_t num_ranks);

}  // namespace allgrad
