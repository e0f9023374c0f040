#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "dsl/row_stream.hpp"
#include "execute/kernel_call.hpp"
#include "execute/machine_code.hpp"
#include "schedule/schedule.hpp"

namespace allgrad {

/// Where an operand of a kernel lies in the memory of a run.
struct BoundOperand {
  std::size_t buffer = 0;
  std::ptrdiff_t offset = 0;            ///< in doubles, as all strides
  std::ptrdiff_t block_stride = 0;      ///< from lane to lane along the block axis, between rounds
  std::vector<std::ptrdiff_t> strides;  ///< along the outer axes
};

struct BoundKernel {
  KernelFunction kernel;
  KernelSteps steps;
  std::size_t num_inputs;
  BoundOperand out, in[max_operands];
};

/// Runs the operator of a node on whole values; the strides of operands are those of their lanes.
struct BoundCall {
  struct Operand {
    BoundOperand place;
    std::vector<std::size_t> lanes;
    std::ptrdiff_t row_stride;
  };
  const Node* node;
  Operand out;
  std::vector<Operand> in;
};

/// Runs several instructions as one function, which is given these pointers.
struct BoundChain {
  std::size_t function;  ///< its number in the program's code
  std::vector<BoundOperand> pointers;
};

using BoundInstruction = std::variant<BoundKernel, BoundChain, BoundCall>;

/// A lane loop with the numbers of an execution: rounds over the outer axes and over blocks of the block axis, each of
/// which runs all instructions, a kernel call for each, over the lanes of the block and the inner axis.
struct BoundLoop {
  std::vector<std::size_t> outer_extents;
  std::size_t block_extent = 1;
  std::size_t block_lanes = 1;  ///< of one round
  std::size_t inner = 1;        ///< in a row loop the rows of a tile
  std::vector<BoundInstruction> instructions;
};

/// A column that a row loop reads.
struct BoundColumn {
  std::size_t buffer;
  std::size_t lane_stride;
};

/// The columns of a row loop of which a block of rows is in memory at a time.
struct BoundBlocks {
  RowStream* stream = nullptr;         ///< null where there are none
  std::vector<std::size_t> buffers;    ///< of the columns
  std::vector<std::size_t> in_stream;  ///< their numbers there
  std::size_t next_step = 0;           ///< the row loop whose first block is read while the last of this one is at work
};

/// A sweep over this rank's rows, a tile after the other.
struct BoundRowLoop {
  std::shared_ptr<const RowAxis> rows;
  bool numbers_rows;
  std::size_t tile_rows;
  std::size_t lane_stride;                ///< doubles from lane to lane of a register
  std::size_t row_value_doubles;          ///< of all row values that are held at the same time
  std::size_t lane_value_doubles;         ///< of the lane values of a loop, behind these
  std::vector<std::size_t> accumulators;  ///< buffers
  std::vector<BoundColumn> columns = {};
  BoundBlocks blocks = {};
  std::vector<BoundLoop> loops = {};

  /// The block that begins with row `first`: all rows where they lie in memory.
  RowBlock block(std::size_t first) const;
};

struct BoundDenseStep {
  std::vector<BoundLoop> loops;
};

using BoundStep = std::variant<BoundDenseStep, BoundRowLoop, CollectiveStep>;

/// A schedule with kernels, tiles, blocks and places for this rank's number of rows. Immutable: the memory of a run is
/// a Workspace, so that several threads could run one program.
struct BoundProgram {
  Schedule schedule;
  KernelSet kernels;
  std::vector<BoundStep> steps;     ///< one for each of the schedule's
  std::optional<MachineCode> code;  ///< of the chains, where the kernels are joined to some
};

BoundProgram bind(Schedule schedule, const KernelSet& kernels);

/// The kernels, and the tiles, blocks and memory of each row loop.
std::string to_text(const BoundProgram& program);

}  // namespace allgrad
