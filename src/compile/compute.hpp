#pragma once

#include <span>
#include <vector>

#include "allgrad/compile.hpp"
#include "execute/executor.hpp"

namespace allgrad {

/// The numbers of expressions that are not per row, in row-major order, at these values of their inputs; of a partial
/// one those of the total. Memory does not grow with the rows. Collective, in a Call.
std::vector<std::vector<double>> compute(const std::vector<Expr>& exprs, std::span<const InputValue> inputs,
                                         const Communicator& comm, ExecutorKind kind, const Operation& operation);

}  // namespace allgrad
