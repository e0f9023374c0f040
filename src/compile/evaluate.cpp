#include "allgrad/evaluate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "comm/call.hpp"
#include "comm/require_same.hpp"
#include "compile/check_graph.hpp"
#include "compile/row_values.hpp"
#include "dsl/collectives.hpp"
#include "dsl/input.hpp"
#include "dsl/random_key.hpp"
#include "execute/executor.hpp"
#include "graph/operator.hpp"
#include "graph/traversal.hpp"
#include "passes/insert_allreduce.hpp"

namespace allgrad {

namespace {

void check_needs_key_alone(const Expr& expr, const Communicator& comm, SourceLocation where) {
  if (expr.empty()) {
    throw ExpressionError("evaluate: the expression is an empty Expr; give one that computes something", where);
  }
  for (const Expr& input : topological_order({&expr, 1})) {
    check_table(input, comm);
    if (!is_input(input, parameters_name)) continue;
    throw ExpressionError(
        "evaluate: the expression depends on parameters, which have no value here; build it from numbers, for example "
        "constant({-2.0, 0.3}) in place of the parameters, or compile it",
        input.node()->where);
  }
}

void check_key(const Expr& expr, const std::optional<Key>& randkey, SourceLocation where) {
  const Node* draw = find_draw({expr});
  if (draw != nullptr && !randkey) {
    throw ArgumentError(
        "evaluate: the expression draws random numbers and got no key; pass one, as in "
        "evaluate(expr, comm, true, 42)",
        draw->where);
  }
  if (draw == nullptr && randkey) {
    throw ArgumentError("evaluate: the expression draws no random numbers, but got a key; leave it out", where);
  }
}

void check_same_arguments(const std::optional<Key>& randkey, bool total, const Communicator& comm,
                          SourceLocation where) {
  const auto words = randkey.value_or(0).words();
  const std::uint64_t arguments[] = {total ? 1U : 0U, randkey ? 1U : 0U, words[0], words[1]};
  require_same(arguments, comm, Operation("the comparison of arguments", where), [&](std::size_t different) {
    return DivergenceError(
        fmt::format("evaluate: expected the same {} on every rank, got different ones; give every rank "
                    "the same arguments",
                    different == 0 ? "choice of the total or the share" : "random key"),
        where);
  });
}

}  // namespace

Array evaluate(const Expr& expr, const Communicator& comm, bool total, const std::optional<Key>& randkey,
               SourceLocation where) {
  return in_call("evaluate", where, comm, [&] {
    const Operation evaluation("an evaluation", where);
    check_same_arguments(randkey, total, comm, where);
    return comm.guarded(
        [&] {
          check_needs_key_alone(expr, comm, where);
          check_key(expr, randkey, where);
          const bool keeps_share = !total && expr.placement() == Placement::partial;
          const Expr graph =
              replace_stored(insert_allreduce({keeps_share ? as_placement(expr, Placement::per_rank) : expr}))[0];
          check_same_on_all_ranks({{"value", expr}}, 0, comm, evaluation, where);
          compute_kept({graph}, comm, ExecutorKind::reference);
          const auto executor = make_executor(ExecutorKind::reference, {graph}, comm);
          const auto key = numbers_of(randkey.value_or(0));
          const InputValue inputs[] = {{random_key_name, key}};
          executor->run(inputs, evaluation);
          Array result = Array::from_shape(local_shape(graph.shape()));
          std::ranges::copy(executor->output(0), result.storage().begin());
          return result;
        },
        evaluation);
  });
}

}  // namespace allgrad
