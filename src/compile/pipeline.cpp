#include "compile/pipeline.hpp"

#include "autodiff/gradient.hpp"
#include "execute/executor.hpp"
#include "graph/operator.hpp"
#include "graph/verify.hpp"
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

std::vector<Expr> differentiate_last(std::vector<Expr> outputs, const Expr& params, const std::vector<bool>& frozen) {
  outputs.back() = gradient(outputs.back(), params, frozen);
  return outputs;
}

/// Values of constant expressions, by the executor that will run the rest.
std::vector<Array> evaluate(const std::vector<Expr>& outputs, const Communicator& comm, const CompileOptions& options) {
  const auto executor = make_executor(options.executor, outputs, comm);
  executor->run({}, 0, Operation("the evaluation of constants", {}));
  std::vector<Array> values;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    values.push_back(Array::from_shape(local_shape(outputs[i].shape())));
    std::ranges::copy(executor->output(i), values.back().storage().begin());
  }
  return values;
}

}  // namespace

std::vector<Expr> run_pipeline(const std::vector<Expr>& built, const Expr& params, const Communicator& comm,
                               const CompileOptions& options, const std::optional<GradientOf>& gradient) {
  std::vector<Expr> graph = built;
  if (gradient) graph.push_back(gradient->loss);
  const auto apply = [&graph]([[maybe_unused]] const char* name, auto&& pass) {
    graph = pass(graph);
#ifndef NDEBUG
    verify(graph, name);
#endif
  };

  const auto fold = [&](const std::vector<Expr>& g) {
    return fold_constants(g, params, [&](const auto& constants) { return evaluate(constants, comm, options); });
  };

  apply("insert allreduce", insert_allreduce);
  if (gradient) {
    apply("differentiate", [&](const auto& g) { return differentiate_last(g, params, gradient->frozen); });
    apply("total the gradient", insert_allreduce);
    apply("cancel shares", cancel_shares);
  }
  apply("hoist broadcasts", hoist_broadcasts);
  apply("common subexpressions", common_subexpressions);
  apply("fold constants", fold);
  apply("powers", powers);
  apply("simplify", simplify);
  apply("common subexpressions", common_subexpressions);
  apply("join sums", join_sums);
  apply("move factors", move_factors);
  apply("common subexpressions", common_subexpressions);
  apply("share functions", share_functions);
  apply("split sums", split_sums);
  apply("fold constants", fold);
  apply("simplify", simplify);
  apply("common subexpressions", common_subexpressions);
  apply("merge collectives", merge_collectives);
  return graph;
}

}  // namespace allgrad
