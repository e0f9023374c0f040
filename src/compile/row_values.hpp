#pragma once

#include <vector>

#include "allgrad/compile.hpp"

namespace allgrad {

/// This rank's rows [rows, ..] of a value per row whose row axis is the first and which depends on no input.
/// Collective, in a Call.
Array compute_row_values(const Expr& value, const Communicator& comm, ExecutorKind executor,
                         const Operation& operation);

/// Columns in place of what is to be kept by `store`. Computes what no graph has computed before; collective.
std::vector<Expr> replace_stored(const std::vector<Expr>& outputs, const Communicator& comm, ExecutorKind executor);

}  // namespace allgrad
