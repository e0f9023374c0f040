#pragma once

#include <span>
#include <vector>

#include "execute/kernel_call.hpp"
#include "schedule/schedule.hpp"

namespace allgrad {

/// Where the buffers of a schedule lie in memory, and how far apart the lanes of each are, in doubles.
struct Memory {
  std::vector<double*> address;
  std::vector<std::ptrdiff_t> lane_stride;
};

/// An instruction with its addresses. Those of columns move with the tile.
struct BoundInstruction {
  KernelFunction function;
  KernelCall call;
  const double* column[max_operands];  ///< first row of the column that operand k is, or null
};

/// `inner_is_rows`: the instruction belongs to a row loop, its inner axis is the rows of a tile, and their number is
/// set before each call. Elsewhere the inner axis is the last one, where it is contiguous.
BoundInstruction bind_instruction(const Instruction& instruction, std::span<const Buffer> buffers,
                                  const Memory& memory, const KernelSet& kernels, bool inner_is_rows);

}  // namespace allgrad
