#pragma once

#include <memory>
#include <string_view>
#include <variant>
#include <vector>

#include "graph/lowering.hpp"
#include "graph/node.hpp"

namespace allgrad {

/// Memory that instructions read and write.
struct Buffer {
  enum class Kind {
    external,     ///< numbers that lie in memory already: constants and columns
    input,        ///< the value of an input of the graph
    row_numbers,  ///< global numbers of the rows of one tile
    dense,        ///< a value that is not per row
    message,      ///< the payload of a collective
    tile,         ///< a register of a row loop: a value of the rows of one tile
  };
  Kind kind = Kind::dense;
  std::size_t lanes = 0;
  bool per_row = false;          ///< a lane is a run of rows, not one number
  const double* data = nullptr;  ///< of an external buffer
  std::size_t offset = 0;        ///< of a tile register in the loop's register file, in lanes
  std::string_view input = {};   ///< name of an input
};

/// out = kernel(inputs) for every lane, and in a row loop for every row of the tile.
struct Instruction {
  Kernel kernel;
  View out;
  std::vector<View> inputs;
  std::vector<std::size_t> extents;  ///< lanes along each axis of the views
};

/// Instructions on values that are not per row, in order.
struct DenseStep {
  std::vector<Instruction> instructions;
};

/// A sweep over this rank's rows of one table in tiles; all instructions are run for one tile before the next. What
/// an earlier loop computed per row is computed again, not stored.
struct RowLoop {
  std::shared_ptr<const RowAxis> rows;
  std::vector<Instruction> instructions;
  std::size_t register_lanes = 0;  ///< size of the register file
  bool numbers_rows = false;       ///< instructions read row numbers
};

/// Sums a message over all ranks, in place.
struct CollectiveStep {
  std::size_t buffer = 0;
};

/// A result: a value that is not per row, to be copied out in row-major order.
struct Result {
  View view;
  std::vector<std::size_t> extents;
};

/// What an executor runs: a graph, cut into steps over planned memory.
struct Schedule {
  std::vector<Buffer> buffers;
  std::vector<std::variant<DenseStep, RowLoop, CollectiveStep>> steps;
  std::vector<Result> results;
  std::vector<Expr> graph;  ///< keeps constants and columns alive
};

/// Cuts a graph, in which all shares are totalled where they need to be, into steps. Outputs are not per row.
Schedule make_schedule(const std::vector<Expr>& outputs);

}  // namespace allgrad
