#include "compile/compute.hpp"

#include "compile/row_values.hpp"
#include "passes/common_subexpressions.hpp"
#include "passes/insert_allreduce.hpp"
#include "passes/merge_collectives.hpp"

namespace allgrad {

std::vector<std::vector<double>> compute(const std::vector<Expr>& exprs, std::span<const InputValue> inputs,
                                         const Communicator& comm, ExecutorKind kind, const Operation& operation) {
  const std::vector<Expr> graph = merge_collectives(common_subexpressions(replace_stored(insert_allreduce(exprs))));
  compute_kept(graph, comm, kind);
  const auto executor = make_executor(kind, graph, comm);
  executor->run(inputs, operation);
  std::vector<std::vector<double>> values;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    values.emplace_back(executor->output(i).begin(), executor->output(i).end());
  }
  return values;
}

}  // namespace allgrad
