#pragma once

#include <cstddef>
#include <vector>

#include "schedule/schedule.hpp"

namespace allgrad {

/// Instructions of a loop that is written out, and of a chain of them that is run as one function. What passes between
/// chains goes through the second-level cache, which costs more than to read long code. A loop that is written out is
/// one chain, so that its lane values, of which registers have room for one lane, never leave it.
inline constexpr std::size_t longest_chain = 6000;

/// True for what code is written for beside other instructions: elementwise kernels, and those that look up or add to a
/// table whose positions are 32-bit integers, but for lookups in a few numbers.
bool is_joinable(const Instruction& instruction, const std::vector<Buffer>& buffers);

/// Writes loops over few lanes out, lane by lane, and joins those that come one after the other: for code that keeps
/// values in the processor's registers, which it can do within one loop alone. Other loops stay as they are.
std::vector<LaneLoop> unroll_lanes(const std::vector<LaneLoop>& loops, const std::vector<Buffer>& buffers);

}  // namespace allgrad
