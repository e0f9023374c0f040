#pragma once

#include <string_view>

#include "graph/lowering.hpp"

namespace allgrad {

/// One kernel for each elementwise operator of the table, one that moves values, some that look up and add to tables,
/// and one for each kind of random draw.
enum class Kernel : int {
#define ALLGRAD_UNARY(name, ...) name,
#define ALLGRAD_BINARY(name, ...) name,
#define ALLGRAD_TERNARY(name, ...) name,
#include "allgrad/operators.def"
  copy,         ///< out = x
  add_to_bins,  ///< adds x to the bins at out; see dsl/bins.hpp
  take,         ///< out = x[y], where y is a position below z; what lies behind z where it is none
  scatter_add,  ///< out[s y] += x, where y is a position below z; s is the number behind z
#define ALLGRAD_DRAW(name, ...) name,
#include "dsl/draws.def"
  call,  ///< the operator's own function, Operator::call
};

std::string_view to_string(Kernel kernel);

/// True for the operators of the table and for what moves values.
constexpr bool is_elementwise(Kernel kernel) { return kernel <= Kernel::copy; }

/// True for the kernels that are a few instructions of a processor; all other elementwise ones call functions.
constexpr bool is_arithmetic(Kernel kernel) {
  switch (kernel) {
    case Kernel::neg:
    case Kernel::abs:
    case Kernel::sign:
    case Kernel::square:
    case Kernel::cube:
    case Kernel::reciprocal:
    case Kernel::sqrt:
    case Kernel::floor:
    case Kernel::ceil:
    case Kernel::trunc:
    case Kernel::round:
    case Kernel::logical_not:
    case Kernel::isnan:
    case Kernel::isinf:
    case Kernel::isfinite:
    case Kernel::add:
    case Kernel::subtract:
    case Kernel::multiply:
    case Kernel::safe_multiply:
    case Kernel::divide:
    case Kernel::maximum:
    case Kernel::minimum:
    case Kernel::equal:
    case Kernel::not_equal:
    case Kernel::less:
    case Kernel::less_equal:
    case Kernel::greater:
    case Kernel::greater_equal:
    case Kernel::logical_and:
    case Kernel::logical_or:
    case Kernel::where:
    case Kernel::clip:
    case Kernel::copy: return true;
    default: return false;
  }
}

/// True where the kernel can add its values to what is there: all but lookups, random draws, and calls, which see to it
/// themselves.
constexpr bool has_adding_kernel(Kernel kernel) {
  switch (kernel) {
#define ALLGRAD_DRAW(name, ...) case Kernel::name:
#include "dsl/draws.def"
    case Kernel::take:
    case Kernel::call: return false;
    default: return true;
  }
}

}  // namespace allgrad
