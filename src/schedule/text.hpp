#pragma once

#include <string>

#include "schedule/schedule.hpp"

namespace allgrad {

/// A schedule as text: steps, the lanes of each loop, one instruction per line with the user's line.
///
///   k3    constant      v5  value         r8@2  row value, from lane 2 of the registers on
///   x4    column        a6  accumulator   t9@0  lane value, in register 0 of its loop
///   rows  row numbers   m2  message       y7    result
///
/// and inputs by their names. v5+3[1,0] begins at lane 3 of v5, moves on by a lane along the first axis of the loop and
/// stands still along the second. `=` stores, `+=` adds.
std::string to_text(const Schedule& schedule);

}  // namespace allgrad
