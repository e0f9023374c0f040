#pragma once

#include <vector>

#include "allgrad/communicator.hpp"
#include "allgrad/compile.hpp"
#include "graph/node.hpp"

namespace allgrad {

/// Whether the outputs of a graph are its results, or the first of them, the loss, gets its gradient as one more.
enum class Differentiate { no, yes };

/// The graph that is run, from the graph that was built. Collective.
std::vector<Expr> run_pipeline(const std::vector<Expr>& built, const Expr& params, const Communicator& comm,
                               const CompileOptions& options, Differentiate differentiate);

}  // namespace allgrad
