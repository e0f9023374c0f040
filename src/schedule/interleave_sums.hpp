#pragma once

#include "schedule/schedule.hpp"

namespace allgrad {

/// Lays sums of rows at the same positions side by side, number by number: a row then adds to all of them in one line
/// of the processor's cache. Done for what is copied elsewhere when it is added up, as messages are.
void interleave_sums(Schedule& schedule);

}  // namespace allgrad
