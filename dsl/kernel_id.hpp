#pragma once

#include <string_view>

#include "graph/lowering.hpp"

namespace allgrad {

/// One kernel for each elementwise operator of the table, one that moves values, one for each pair of operations that
/// are run as one, and one for each kind of random draw.
enum class Kernel : int {
#define ALLGRAD_UNARY(name, ...) name,
#define ALLGRAD_BINARY(name, ...) name,
#define ALLGRAD_TERNARY(name, ...) name,
#include "allgrad/operators.def"
  copy,         ///< out = x
  add_to_bins,  ///< adds x to the bins at out; see dsl/bins.hpp
#define ALLGRAD_PAIR(inner, outer, operand) inner##_##outer##_##operand,
#define ALLGRAD_UNARY_PAIR(inner, outer) inner##_##outer,
#define ALLGRAD_PAIR_OF_UNARY(inner, outer, operand) inner##_##outer##_##operand,
#include "dsl/pairs.def"
#define ALLGRAD_DRAW(name, ...) name,
#include "dsl/draws.def"
  call,  ///< the operator's own function, Operator::call
};

std::string_view to_string(Kernel kernel);

/// True where the kernel can add its values to what is there: all but random draws, and calls, which see to it
/// themselves.
constexpr bool has_adding_kernel(Kernel kernel) {
  switch (kernel) {
#define ALLGRAD_DRAW(name, ...) case Kernel::name:
#include "dsl/draws.def"
    case Kernel::call: return false;
    default: return true;
  }
}

}  // namespace allgrad
