#pragma once

#include <vector>

#include "schedule/schedule.hpp"

namespace allgrad {

/// Gives the tile registers of a row loop their places in its register file, so that values which are not needed at
/// the same time share memory. Returns the size of the file in lanes.
std::size_t allocate_registers(std::vector<Buffer>& buffers, const std::vector<Instruction>& instructions);

}  // namespace allgrad
