#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "graph/lowering.hpp"
#include "graph/node.hpp"

namespace allgrad {

class RowStream;

/// Memory that instructions read and write.
struct Buffer {
  enum class Kind {
    constant,         ///< numbers that lie in memory already, not per row
    column,           ///< numbers that lie in memory already, for each lane one for each row
    streamed_column,  ///< numbers of which a block of rows is in memory at a time, for each lane one for each row
    input,            ///< the value of an input of the graph
    row_numbers,      ///< global numbers of the rows of one tile
    value,            ///< a value that is not per row
    accumulator,      ///< a sum over rows, set to zero by the row loop that makes it
    message,          ///< the payload of a collective
    result,           ///< an output of the program, in row-major order
    kept,             ///< a value per row of all rows of this rank: for each lane those of all rows
    row_value,        ///< a register of a row loop: a value of the rows of one tile, all its lanes
    lane_value,       ///< a register of a lane loop: the lanes of a value per row that one round of the loop works on
  };
  Kind kind = Kind::value;
  std::size_t lanes = 0;
  const double* data = nullptr;  ///< of a constant or column
  std::size_t offset = 0;        ///< of a register: its place, in lanes; of a lane value, counted in registers
  std::string_view input = {};   ///< name of an input
  std::shared_ptr<const RowAxis> rows = {};  ///< of a kept value
  std::optional<std::size_t> kept_in = {};   ///< of a column whose numbers are those of a kept value: that buffer
  RowStream* stream = nullptr;               ///< of a streamed column
  std::size_t in_stream = 0;                 ///< its number there

  /// Whether it is read by others than instructions.
  bool leaves_program() const { return kind == Kind::message || kind == Kind::result || kind == Kind::kept; }
  bool is_column() const { return kind == Kind::column || kind == Kind::streamed_column; }
  bool per_row() const {
    return is_column() || kind == Kind::row_numbers || kind == Kind::row_value || kind == Kind::lane_value;
  }
};

/// out = kernel(inputs), or out += kernel(inputs), for every lane, and in a row loop for every row of the tile. The
/// views of a call are not those of its loop, which has no axes: they are whole values, along their own axes.
struct Instruction {
  Kernel kernel;
  bool adds;
  View out;
  std::vector<View> inputs;
  const Node* node;  ///< what it computes, or a part of that

  bool is_call() const;
};

/// Where a constant lies in memory.
inline const double* numbers_of(const View& constant, const std::vector<Buffer>& buffers) {
  return buffers[constant.buffer].data + constant.offset;
}

/// Instructions over the same lanes, one round after the other: in a row loop, all instructions are run for a few lanes
/// of the tile before the next.
struct LaneLoop {
  std::vector<std::size_t> extents;  ///< lanes along each axis of the views
  std::vector<Instruction> instructions;
  std::size_t num_registers = 0;  ///< lane values that are held at the same time
};

/// Lanes of the last axis from which on it pays to keep what passes between instructions in registers.
inline constexpr std::size_t long_loop = 512;

/// Lane loops on values that are not per row, in order.
struct DenseStep {
  std::vector<LaneLoop> loops;
};

/// A sweep over this rank's rows of one table in tiles; all lane loops are run for one tile before the next. What an
/// earlier row loop computed per row is computed again, not stored, but for what rows of other tables look into.
struct RowLoop {
  std::shared_ptr<const RowAxis> rows;
  std::vector<LaneLoop> loops;
  std::vector<std::size_t> accumulators;  ///< buffers, kept values that are added to among them
  std::size_t register_lanes = 0;         ///< lanes of row values that are held at the same time
  bool numbers_rows = false;              ///< instructions read row numbers
};

/// Sums a message over all ranks, in place.
struct CollectiveStep {
  std::size_t buffer = 0;
  const Node* node = nullptr;
};

/// What an executor runs: a graph, cut into steps over planned memory.
struct Schedule {
  std::vector<Buffer> buffers;
  std::vector<std::variant<DenseStep, RowLoop, CollectiveStep>> steps;
  std::vector<std::size_t> results;                           ///< buffers of the outputs
  std::vector<Expr> graph;                                    ///< keeps nodes, constants and columns alive
  std::vector<std::unique_ptr<const double[]>> numbers = {};  ///< that constants were made of here
};

/// Cuts a graph, in which all shares are totalled where they need to be, into steps. Outputs are not per row.
Schedule make_schedule(const std::vector<Expr>& outputs);

}  // namespace allgrad
