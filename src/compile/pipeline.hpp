#pragma once

#include <optional>
#include <vector>

#include "allgrad/communicator.hpp"
#include "allgrad/compile.hpp"
#include "compile/dump.hpp"
#include "graph/text.hpp"

namespace allgrad {

/// How a gradient is computed: from the loss back to the parameters, or for each parameter from there to the loss. The
/// first takes two sweeps over the rows and two messages where the second takes one of each, but for each parameter
/// more is computed in it.
enum class GradientMode { reverse, forward };

/// A gradient with respect to the parameters, as a further output of a graph.
struct GradientOf {
  Expr loss;
  std::vector<bool> frozen = {};          ///< [num_params] or empty: where it is not asked for
  std::optional<GradientMode> mode = {};  ///< the one that is estimated to be faster, where none is given
};

/// The graph that is run, from the graph that was built, with its outputs by their names and a further one, "gradient",
/// where that is asked for. Its stages are dumped. Collective, and guarded by whoever calls it.
NamedOutputs run_pipeline(NamedOutputs built, const Expr& params, const Communicator& comm,
                          const CompileOptions& options, const std::optional<GradientOf>& gradient, Dump& dump);

}  // namespace allgrad
