#pragma once

#include <span>
#include <string_view>

#include "graph/node.hpp"

namespace allgrad {

/// Checks what holds of every graph from the insertion of allreduces on: shapes and placements are those that the
/// operators infer, and no share is used where a total is meant. Throws InternalError that names `pass` and the node.
void verify(std::span<const Expr> outputs, std::string_view pass);

}  // namespace allgrad
