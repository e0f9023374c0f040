#pragma once

#include <optional>
#include <vector>

#include "allgrad/communicator.hpp"
#include "allgrad/compile.hpp"
#include "graph/node.hpp"

namespace allgrad {

/// A gradient with respect to the parameters, as a further output of a graph.
struct GradientOf {
  Expr loss;
  std::vector<bool> frozen = {};  ///< [num_params] or empty: where it is not asked for
};

/// The graph that is run, from the graph that was built; with `gradient` that is its last output. Collective, and
/// guarded by whoever calls it.
std::vector<Expr> run_pipeline(const std::vector<Expr>& built, const Expr& params, const Communicator& comm,
                               const CompileOptions& options, const std::optional<GradientOf>& gradient = {});

}  // namespace allgrad
