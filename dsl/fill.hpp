#pragma once

#include "graph/lowering.hpp"

namespace allgrad {

/// Sets a value of the given shape to zero.
void fill_zeros(Lowering& lowering, const View& out, const Shape& shape);

}  // namespace allgrad
