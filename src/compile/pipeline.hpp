#pragma once

#include <optional>
#include <vector>

#include "allgrad/communicator.hpp"
#include "allgrad/compile.hpp"
#include "compile/dump.hpp"
#include "graph/text.hpp"

namespace allgrad {

/// A gradient with respect to the parameters, as a further output of a graph.
struct GradientOf {
  Expr loss;
  std::vector<bool> frozen = {};  ///< [num_params] or empty: where it is not asked for
};

/// The graph that is run, from the graph that was built, with its outputs by their names and a further one, "gradient",
/// where that is asked for. Its stages are dumped. Collective, and guarded by whoever calls it.
NamedOutputs run_pipeline(NamedOutputs built, const Expr& params, const Communicator& comm,
                          const CompileOptions& options, const std::optional<GradientOf>& gradient, Dump& dump);

}  // namespace allgrad
