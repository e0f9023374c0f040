#pragma once

#include "allgrad/compile.hpp"
#include "compile/model_program.hpp"

namespace allgrad {

struct CompiledGraph::State {
  /// Computes what is asked for, and the aux values of the loss where the options ask for them. Collective.
  ModelProgram& run(Request request, std::span<const double> params, const EvaluationOptions& options,
                    std::span<const double> direction = {});

  /// The line of the parameters.
  const SourceLocation& where() const { return programs.graph().params.node()->where; }

  ModelPrograms programs;
  bool draws;                     ///< whether any of the results needs a random key
  std::vector<bool> used_params;  ///< [ndim], by the loss
  bool has_tangents;              ///< all operations of the loss have derivatives in forward mode
  bool has_second_derivatives;    ///< and these have derivatives
};

/// As `compile`, for all that a model consists of, and without a warning of parameters that are not used. `number`
/// tells it from others on the communicator.
CompiledGraph compile_model(std::uint64_t number, ModelGraph graph, const Communicator& comm,
                            const CompileOptions& options, SourceLocation where);

}  // namespace allgrad
