#include "compile/pipeline.hpp"

#include "autodiff/gradient.hpp"
#include "compile/stages.hpp"
#include "execute/executor.hpp"
#include "graph/operator.hpp"
#include "passes/cancel_shares.hpp"
#include "passes/common_subexpressions.hpp"
#include "passes/fold_constants.hpp"
#include "passes/hoist_broadcasts.hpp"
#include "passes/insert_allreduce.hpp"
#include "passes/join_sums.hpp"
#include "passes/merge_collectives.hpp"
#include "passes/move_factors.hpp"
#include "passes/powers.hpp"
#include "passes/share_functions.hpp"
#include "passes/simplify.hpp"
#include "passes/split_sums.hpp"

namespace allgrad {

namespace {

/// Values of constant expressions, by the executor that will run the rest.
std::vector<Array> evaluate(const std::vector<Expr>& outputs, const Communicator& comm, const CompileOptions& options) {
  const auto executor = make_executor(options.executor, outputs, comm);
  executor->run({}, Operation("the evaluation of constants", {}));
  std::vector<Array> values;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    values.push_back(Array::from_shape(local_shape(outputs[i].shape())));
    std::ranges::copy(executor->output(i), values.back().storage().begin());
  }
  return values;
}

}  // namespace

NamedOutputs run_pipeline(NamedOutputs outputs, const Expr& params, const Communicator& comm,
                          const CompileOptions& options, const std::optional<GradientOf>& gradient, Dump& dump) {
  if (gradient) outputs.emplace_back("gradient", gradient->loss);  // until it is differentiated, the loss
  Stages stages(std::move(outputs), dump);
  const auto differentiate = [&](std::vector<Expr> graph) {
    graph.back() = allgrad::gradient(graph.back(), params, gradient->frozen);
    return graph;
  };
  const auto fold = [&](const std::vector<Expr>& graph) {
    return fold_constants(graph, [&](const auto& constants) { return evaluate(constants, comm, options); });
  };

  stages.apply("insert allreduce", insert_allreduce);
  if (gradient) {
    stages.apply("gradient", differentiate);
    stages.apply("total the gradient", insert_allreduce);
    stages.apply("cancel shares", cancel_shares);
  }
  stages.apply("hoist broadcasts", hoist_broadcasts);
  stages.apply("common subexpressions", common_subexpressions);
  stages.apply("fold constants", fold);
  stages.apply("powers", powers);
  stages.apply("simplify", simplify);
  stages.apply("join sums", join_sums);
  stages.apply("move factors", move_factors);
  stages.apply("common subexpressions", common_subexpressions);
  stages.apply("share functions", share_functions);
  stages.apply("split sums", split_sums);
  stages.apply("fold constants", fold);
  stages.apply("simplify", simplify);
  stages.apply("common subexpressions", common_subexpressions);
  stages.apply("merge collectives", merge_collectives);
  return stages.graph();
}

}  // namespace allgrad
