#pragma once

// Included by the kernels of all instruction sets: declarations only. What is defined inline here would be compiled for
// each of them, and the linker would keep one.

namespace allgrad::special {

#define ALLGRAD_SPECIAL_1(name) double name(double x) noexcept;
#define ALLGRAD_SPECIAL_2(name) double name(double x, double y) noexcept;
#include "dsl/special_functions.def"

}  // namespace allgrad::special
