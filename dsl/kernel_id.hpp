#pragma once

#include "graph/lowering.hpp"

namespace allgrad {

/// One kernel for each elementwise operator of the table, and the two that move and sum values.
enum class Kernel : int {
#define ALLGRAD_UNARY(name, ...) name,
#define ALLGRAD_BINARY(name, ...) name,
#define ALLGRAD_TERNARY(name, ...) name,
#include "allgrad/operators.def"
  copy,        ///< out = x
  accumulate,  ///< out += x, summed over what `out` does not have
};

}  // namespace allgrad
