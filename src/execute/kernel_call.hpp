#pragma once

// Shared by code for all instruction sets: plain data only. An inline function here would be compiled for each of them,
// and the linker would keep one, maybe for a processor that this machine is not.

#include <cstddef>

namespace allgrad {

inline constexpr std::size_t max_operands = 3;

/// How the result and the operands of a kernel move, in doubles. Along the inner axis an operand is a run of numbers
/// (step 1) or one number (step 0), and so is the result of an addition; a result that is stored is a run.
struct KernelSteps {
  std::ptrdiff_t out_inner, out_outer;
  std::ptrdiff_t in_inner[max_operands], in_outer[max_operands];
};

/// Where the first elements lie.
struct KernelOperands {
  double* out;
  const double* in[max_operands];
};

/// out[i, j] = kernel(in[0][i, j], ...), or out[i, j] += ..., over `outer` lanes i and the inner axis j of `inner`
/// elements. An operand may lie where the result does, moving as it does.
using KernelFunction = void (*)(const KernelSteps& steps, const KernelOperands& operands, std::size_t outer,
                                std::size_t inner);

/// A function that takes as many registers full of numbers as its operator has operands, and returns one. To be called
/// by code that is written at run time alone: the type of a register is that of the instruction set.
using RegisterFunction = void (*)();

/// The kernels for one instruction set, indexed by Kernel: those that store, and those that add (null for kernels that
/// cannot); and those of elementwise operators on registers.
struct KernelSet {
  const char* instruction_set;
  const KernelFunction* store;
  const KernelFunction* add;
  const RegisterFunction* on_registers;
  std::size_t doubles_per_register;
  bool writes_code;  ///< whether elementwise kernels of a row loop are joined to machine code
};

}  // namespace allgrad
