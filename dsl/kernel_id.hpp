#pragma once

#include "graph/lowering.hpp"

namespace allgrad {

/// One kernel for each elementwise operator of the table, the two that move and sum values, and one for each kind of
/// random draw.
enum class Kernel : int {
#define ALLGRAD_UNARY(name, ...) name,
#define ALLGRAD_BINARY(name, ...) name,
#define ALLGRAD_TERNARY(name, ...) name,
#include "allgrad/operators.def"
  copy,        ///< out = x
  accumulate,  ///< out += x, summed over what `out` does not have
#define ALLGRAD_DRAW(name, ...) name,
#include "dsl/draws.def"
};

}  // namespace allgrad
