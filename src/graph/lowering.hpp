#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "allgrad/expr.hpp"

namespace allgrad {

/// What an instruction computes; the kernels are listed in dsl/kernel_id.hpp.
enum class Kernel : int;

/// Where a value lies: an affine map from the index of a lane (one entry per axis but the row axis) to a lane of a
/// buffer. A lane of a value per row is a run of rows, a lane of any other value is one number.
struct View {
  std::size_t buffer = 0;
  std::size_t offset = 0;               ///< in lanes
  std::vector<std::ptrdiff_t> strides;  ///< in lanes, per axis but the row axis

  bool operator==(const View&) const = default;
};

/// A value that an operator's own function reads or writes. The element with lane indices i, j, ... of row r is
/// data[i * strides[0] + j * strides[1] + ... + r * row_stride].
struct CallOperand {
  double* data = nullptr;
  std::span<const std::size_t> lanes;  ///< the lengths of its axes but the row axis
  std::span<const std::ptrdiff_t> strides;
  std::ptrdiff_t row_stride = 0;  ///< 0 for a value that is not per row
};

/// What Operator::call is run on.
struct CallArguments {
  CallOperand out;
  std::span<const CallOperand> in;
  std::size_t num_rows = 1;  ///< of the tile at hand
};

/// Strides of a row-major value with these lanes.
std::vector<std::ptrdiff_t> row_major_strides(const std::vector<std::size_t>& lanes);

/// The view of a value of shape `from` as it is broadcast to `to`: strides of 0 along stretched axes.
View broadcast_view(const View& view, const Shape& from, const Shape& to);

class RowStream;

/// What an operator's lowering writes to: the schedule under construction, at the place of the node.
class Lowering {
 public:
  virtual ~Lowering() = default;

  /// Where operand `k` of the node lies.
  virtual const View& operand(std::size_t k) const = 0;

  /// A new buffer for a value of this shape, its lanes in row-major order.
  virtual View allocate(const Shape& shape) = 0;

  /// A new buffer of zeros, to add to: over rows where the instructions at hand run over rows and the shape has none.
  virtual View zeros(const Shape& shape) = 0;

  /// Memory for a value per row of all rows of this rank, and the same of zeros to add to. It is a whole value to calls
  /// of operators, each row of any table.
  virtual View keep(const Shape& shape) = 0;
  virtual View keep_zeros(const Shape& shape) = 0;

  /// That memory as a value per row in the loop over its rows.
  virtual View kept(const View& memory, const Shape& shape) = 0;

  /// Numbers that lie in memory already and outlive the schedule: one for each lane, or of a value per row, for each
  /// lane those of all rows.
  virtual View external(const double* data, const Shape& shape) = 0;

  /// A column of a stream, which outlives the schedule.
  virtual View streamed(RowStream& stream, std::size_t column, const Shape& shape) = 0;

  /// The value of an input of the graph.
  virtual View input(std::string_view name, const Shape& shape) = 0;

  /// The number of each row of a table among the rows of all ranks, for shape [rows].
  virtual View row_numbers(const Shape& shape) = 0;

  /// out = kernel(inputs) for every element of `domain`, over this rank's rows where it has a row axis. Each view has
  /// a stride per axis of `domain` but the row axis.
  virtual void emit(Kernel kernel, const View& out, const std::vector<View>& inputs, const Shape& domain) = 0;

  /// out += kernel(inputs), summed over the axes along which `out` stands still, and over rows where it has none.
  virtual void emit_add(Kernel kernel, const View& out, const std::vector<View>& inputs, const Shape& domain) = 0;

  /// Runs the node's operator, Operator::call, on its operands: whole values, or the rows of a tile of them.
  virtual void emit_call(const View& out) = 0;

  /// The payload of a message between ranks, for a value of this shape that is not per row.
  virtual View message(const Shape& shape) = 0;

  /// Sums a message over all ranks, in place.
  virtual void allreduce(const View& message) = 0;
};

}  // namespace allgrad
