#pragma once

// Shared by code for all instruction sets: plain data only. An inline function here would be compiled for each of them,
// and the linker would keep one, maybe for a processor that this machine is not.

#include <cstddef>

namespace allgrad {

inline constexpr std::size_t max_operands = 3;
inline constexpr std::size_t max_outer_axes = 16;

/// out[i..., j] = kernel(in[0][i..., j], ...) over the outer axes i and the inner axis j, strides in doubles. The inner
/// axis is contiguous (step 1) or a broadcast number (step 0).
struct KernelCall {
  double* out;
  const double* in[max_operands];
  std::size_t inner_length;
  std::ptrdiff_t out_step;
  std::ptrdiff_t in_step[max_operands];
  std::size_t num_outer_axes;
  std::size_t extent[max_outer_axes];
  std::ptrdiff_t out_stride[max_outer_axes];
  std::ptrdiff_t in_stride[max_operands][max_outer_axes];
};

using KernelFunction = void (*)(const KernelCall&);

/// The kernels for one instruction set, indexed by Kernel.
struct KernelSet {
  const char* instruction_set;
  const KernelFunction* functions;
};

}  // namespace allgrad
