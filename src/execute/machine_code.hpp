#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "execute/batch_program.hpp"
#include "execute/kernel_call.hpp"

namespace allgrad {

/// Where the numbers of an operand lie: so many doubles behind one of the pointers that a function is called with,
/// those of a lane's rows one after the other, or one number for all rows.
struct CodeOperand {
  std::size_t pointer = 0;
  std::ptrdiff_t offset = 0;
  bool per_row = false;
};

/// A batch program with all that its function needs to know.
struct CodeBody {
  BatchProgram program;
  std::vector<CodeOperand> operands;         ///< of loads and stores, and tables of lookups and sums at positions
  std::vector<CodeOperand> sums;             ///< the numbers that sums over rows are added to
  std::vector<RegisterFunction> functions;   ///< of calls
  std::vector<std::ptrdiff_t> lane_strides;  ///< of each pointer, from lane to lane, in doubles
};

/// Runs a batch program for so many lanes and rows; nothing is touched beyond the rows.
using CodeFunction = void (*)(double* const* pointers, std::size_t lanes, std::size_t rows);

/// Functions in memory that the processor runs, made for its registers: of 4 or of 8 doubles.
class MachineCode {
 public:
  static constexpr std::size_t least_doubles_per_register = 4;

  explicit MachineCode(std::size_t doubles_per_register);
  ~MachineCode();
  MachineCode(MachineCode&&) noexcept;
  MachineCode& operator=(MachineCode&&) noexcept;

  /// Adds a function; returns its number.
  std::size_t add(const CodeBody& body);

  /// Makes the code ready to run, after which no function can be added.
  void finish();

  CodeFunction function(std::size_t number) const;

  std::size_t num_bytes() const;

  /// Whether this machine lets programs write code and run it. False where there is no assembler for its processor.
  static bool is_possible();

 private:
  class Assembler;
  std::unique_ptr<Assembler> assembler_;
};

}  // namespace allgrad
