#include "compile/pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "compile/differentiate.hpp"
#include "compile/row_values.hpp"
#include "compile/stages.hpp"
#include "execute/executor.hpp"
#include "graph/graph.hpp"
#include "graph/operator.hpp"
#include "graph/traversal.hpp"
#include "passes/cancel_shares.hpp"
#include "passes/common_subexpressions.hpp"
#include "passes/exact_row_sums.hpp"
#include "passes/fold_constants.hpp"
#include "passes/hoist_broadcasts.hpp"
#include "passes/insert_allreduce.hpp"
#include "passes/join_sums.hpp"
#include "passes/merge_collectives.hpp"
#include "passes/move_factors.hpp"
#include "passes/powers.hpp"
#include "passes/share_functions.hpp"
#include "passes/simplify.hpp"
#include "passes/skip_zeros.hpp"
#include "passes/split_sums.hpp"
#include "schedule/cost.hpp"
#include "schedule/schedule.hpp"

namespace allgrad {

namespace {

/// Values of constant expressions, by the executor that will run the rest.
std::vector<Array> evaluate_constants(const std::vector<Expr>& outputs, const Communicator& comm,
                                      const CompileOptions& options) {
  const auto executor = make_executor(options.executor, outputs, comm);
  executor->run({}, Operation("the evaluation of constants", {}));
  std::vector<Array> values;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    values.push_back(Array::from_shape(local_shape(outputs[i].shape())));
    std::ranges::copy(executor->output(i), values.back().storage().begin());
  }
  return values;
}

NamedOutputs run_passes(NamedOutputs outputs, const Expr& params, const Communicator& comm,
                        const CompileOptions& options, const std::optional<DerivativesOf>& derivatives,
                        std::optional<GradientMode> mode, Dump& dump) {
  const auto sumstats = std::ranges::find(outputs, "sumstats", &NamedOutputs::value_type::first);
  const auto sumstats_at = static_cast<std::size_t>(sumstats - outputs.begin());
  Stages stages(std::move(outputs), dump);
  const auto differentiate_all = [&](const Graph& graph) {
    return differentiate(graph.outputs(), params, *derivatives, *mode, sumstats_at);
  };
  const auto fold = [&](const Graph& graph) {
    return fold_constants(graph, [&](const auto& constants) { return evaluate_constants(constants, comm, options); });
  };

  stages.apply("insert allreduce", insert_allreduce);
  stages.apply("replace stored", replace_stored);
  if (mode) {
    stages.apply("differentiate", differentiate_all);
    stages.apply("total derivatives", insert_allreduce);
    stages.apply("cancel shares", cancel_shares);
  }
  const auto fold_exactly = [&] {
    if (options.reproducible) {
      stages.apply("exact constant row sums", exact_constant_row_sums);
      stages.apply("cancel shares", cancel_shares);
    }
    stages.apply("fold constants", fold);
  };
  stages.apply("hoist broadcasts", hoist_broadcasts);
  stages.apply("common subexpressions", common_subexpressions);
  fold_exactly();
  stages.apply("skip zeros", skip_zeros);
  stages.apply("powers", powers);
  stages.apply("simplify", simplify);
  stages.apply("join sums", join_sums);
  stages.apply("move factors", move_factors);
  stages.apply("common subexpressions", common_subexpressions);
  stages.apply("share functions", share_functions);
  stages.apply("split sums", split_sums);
  fold_exactly();
  stages.apply("simplify", simplify);
  stages.apply("common subexpressions", common_subexpressions);
  if (options.reproducible) {
    stages.apply("exact row sums", exact_row_sums);
    stages.apply("cancel shares", cancel_shares);
    stages.apply("common subexpressions", common_subexpressions);
  }
  stages.apply("merge collectives", merge_collectives);
  return stages.outputs();
}

/// Few parameters and a small graph: for others, a gradient in forward mode would take long to compile.
bool may_be_forward(const NamedOutputs& outputs, std::size_t num_params, const std::vector<bool>& frozen) {
  constexpr std::size_t most_params = 8, most_nodes = 2000;
  const auto num_frozen = static_cast<std::size_t>(std::ranges::count(frozen, true));
  const std::size_t directions = num_params - num_frozen;
  const Graph graph(exprs_of(outputs));
  return directions <= most_params && directions * graph.size() <= most_nodes &&
         std::ranges::all_of(graph.nodes(), [](const Expr& expr) { return expr.node()->op->has_tangent(); });
}

/// True where ranks have values of their own, of which forward mode adds up what no exact sum can be made of.
bool any_of_ranks(const NamedOutputs& outputs) {
  return any_node(exprs_of(outputs), [](const Expr& expr) { return expr.placement() == Placement::per_rank; });
}

bool asks_for_gradients(const DerivativesOf& derivatives) {
  return std::ranges::any_of(derivatives.which, [](Derivative derivative) {
    return derivative == Derivative::gradient || derivative == Derivative::hessian ||
           derivative == Derivative::hessian_product;
  });
}

NamedOutputs chosen_graph(NamedOutputs outputs, const Expr& params, const Communicator& comm,
                          const CompileOptions& options, const std::optional<DerivativesOf>& derivatives, Dump& dump) {
  if (!derivatives) return run_passes(std::move(outputs), params, comm, options, {}, std::nullopt, dump);
  add_placeholders(outputs, *derivatives);
  const auto run = [&](GradientMode mode) {
    return run_passes(outputs, params, comm, options, derivatives, mode, dump);
  };
  if (derivatives->mode) return run(*derivatives->mode);
  if (!asks_for_gradients(*derivatives) || !may_be_forward(outputs, params.shape()[0].length, derivatives->frozen) ||
      (options.reproducible && any_of_ranks(outputs))) {
    return run(GradientMode::reverse);
  }

  // Passes are collective: both are run once, and dumped where they are, whichever rank writes.
  dump.add("reverse mode", "");
  const NamedOutputs reverse = run(GradientMode::reverse);
  dump.add("forward mode", "");
  const NamedOutputs forward = run(GradientMode::forward);
  const int num_ranks = options.reproducible ? 1 : comm.size();  // the same graph on any number of ranks
  const auto cost = [&](const NamedOutputs& graph) {
    return estimated_nanoseconds(make_schedule(exprs_of(graph)), static_cast<std::size_t>(num_ranks));
  };
  const double reverse_cost = cost(reverse), forward_cost = cost(forward);
  const GradientMode mode = forward_cost < reverse_cost ? GradientMode::forward : GradientMode::reverse;
  dump.add("gradient mode",
           fmt::format("{}, estimated at {:.0f} ns forward and {:.0f} ns reverse",
                       mode == GradientMode::forward ? "forward" : "reverse", forward_cost, reverse_cost));
  return mode == GradientMode::forward ? forward : reverse;
}

}  // namespace

NamedOutputs run_pipeline(NamedOutputs outputs, const Expr& params, const Communicator& comm,
                          const CompileOptions& options, const std::optional<DerivativesOf>& derivatives, Dump& dump) {
  NamedOutputs graph = chosen_graph(std::move(outputs), params, comm, options, derivatives, dump);
  compute_kept(exprs_of(graph), comm, options.executor);
  return graph;
}

}  // namespace allgrad
