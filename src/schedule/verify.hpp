#pragma once

#include "schedule/schedule.hpp"

namespace allgrad {

/// Checks what holds of every schedule: each instruction has its node, views stay within their buffers, everything is
/// written before it is read, and no register is overwritten while its value is needed. Throws InternalError that names
/// the instruction and the user's line.
void verify(const Schedule& schedule);

}  // namespace allgrad
