#pragma once

#include <vector>

#include "schedule/schedule.hpp"

namespace allgrad {

/// Gives the registers of a row loop their places, so that values which are not needed at the same time share memory:
/// row values, and within each lane loop lane values.
void lay_out_registers(RowLoop& sweep, std::vector<Buffer>& buffers);

}  // namespace allgrad
