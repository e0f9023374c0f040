#include "compile/check_graph.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "allgrad/error.hpp"
#include "base/emit.hpp"
#include "base/fingerprint.hpp"
#include "comm/require_same.hpp"
#include "dsl/constant.hpp"
#include "dsl/input.hpp"
#include "dsl/row_count.hpp"
#include "dsl/slice.hpp"
#include "graph/shape.hpp"
#include "graph/text.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

void check_is_total(const Expr& result, std::string_view what, SourceLocation where) {
  if (result.empty()) {
    throw ExpressionError(fmt::format("{} is an empty Expr; give the expression that computes it", what), where);
  }
  if (is_per_row(result)) {
    throw ExpressionError(
        fmt::format(
            "{} has a value per row, shape {}; expected a value for all rows together: sum or mean over the row "
            "axis first, as in sum(x, 0)",
            what, to_string(result.shape())),
        result.node()->where);
  }
  if (result.placement() == Placement::per_rank) {
    throw ExpressionError(
        fmt::format(
            "{} is a value that each rank has of its own, shape {}; expected one value for all ranks: reduce it "
            "with reduce_sum(x), which sums over ranks",
            what, to_string(result.shape())),
        result.node()->where);
  }
}

void check_is_scalar_loss(const Expr& loss, SourceLocation where) {
  check_is_total(loss, "the loss", where);
  if (loss.ndim() == 0) return;
  throw ExpressionError(fmt::format("the loss has shape {}; expected one number, shape []: reduce it with sum(x) or "
                                    "mean(x)",
                                    to_string(loss.shape())),
                        loss.node()->where);
}

void check_table(const Expr& expr, const Communicator& comm) {
  auto rows = rows_of(expr.shape());
  if (const auto* count = as<RowCount>(expr)) rows = count->rows();
  if (!rows || rows->comm == comm) return;
  throw ExpressionError(fmt::format("{} is of a table on another communicator than the graph; build table and model "
                                    "with the same Communicator",
                                    describe(*expr.node())),
                        expr.node()->where);
}

void check_inputs(std::span<const Expr> results, const Expr& params, const Communicator& comm, SourceLocation where) {
  if (params.empty() || !is_input(params, parameters_name)) {
    throw ExpressionError("the second argument of compile is no parameter vector; expected what parameters(n) returned",
                          where);
  }
  for_each_node(results, [&](const Expr& expr) {
    if (is_input(expr, parameters_name) && expr.node() != params.node()) {
      throw ExpressionError(
          fmt::format("the loss uses other parameters than those it is compiled for (made at {}); use "
                      "one parameter vector throughout",
                      params.node()->where.str()),
          expr.node()->where);
    }
    check_table(expr, comm);
  });
}

namespace {

/// What ranks compare of their graphs: a hash per node of what it computes, values of constants left out, and one of
/// which nodes are the results.
struct Structure {
  std::vector<std::uint64_t> nodes;
  std::uint64_t results;
};

Structure structure_of(const NamedOutputs& results, const std::vector<Expr>& order) {
  NodeMap<std::size_t> position;
  Structure structure;
  for (const Expr& expr : order) {
    const Node& node = *expr.node();
    Fingerprint hash;
    if (as<Constant>(expr) != nullptr) {
      hash.add(node.op->name());
    } else {
      hash.add(node.op->fingerprint());
    }
    hash.add(std::string_view(to_string(node.shape)));
    hash.add(static_cast<int>(node.placement));
    for (const Expr& operand : node.operands) hash.add(position.at(operand.node()));
    position.emplace(&node, structure.nodes.size());
    structure.nodes.push_back(hash.value());
  }
  Fingerprint hash;
  for (const auto& [name, expr] : results) {
    hash.add(std::string_view(name));
    hash.add(position.at(expr.node()));
  }
  structure.results = hash.value();
  return structure;
}

void check_same_structure(const NamedOutputs& results, const std::vector<Expr>& order, const Communicator& comm,
                          const Operation& operation, SourceLocation where) {
  Structure structure = structure_of(results, order);
  const auto [shortest, longest] = std::ranges::minmax(comm.allgather(structure.nodes.size(), operation));
  structure.nodes.resize(shortest);
  const std::size_t different = comm.first_difference(structure.nodes, operation);
  if (different < longest) {
    std::size_t position = std::min(different, order.size() - 1);
    if (is_input(order[position], parameters_name)) ++position;  // all ranks have the same; here, they come earlier
    const Node& node = *order[position].node();
    throw DivergenceError(fmt::format("expected the same graph on every rank, got different ones: the first node that "
                                      "differs is {} of shape {} on rank {}; build the same expressions on every "
                                      "rank, also where it has no rows",
                                      describe(node), to_string(node.shape), comm.rank()),
                          node.where);
  }
  require_same(structure.results, comm, operation, [&] {
    std::vector<std::string> names;
    for (const auto& [name, expr] : results) names.push_back(name);
    return DivergenceError(
        fmt::format("expected the same results on every rank, got [{}] on rank {} and others elsewhere; "
                    "return the same values with the same names on every rank",
                    fmt::join(names, ", "), comm.rank()),
        where);
  });
}

}  // namespace

void check_same_num_params(std::size_t num_params, const Communicator& comm, const Operation& operation,
                           SourceLocation where) {
  require_same(num_params, comm, operation, [&] {
    return DivergenceError(
        fmt::format("expected the same number of parameters on every rank, got {} on rank {} and other "
                    "numbers elsewhere; pass the same parameters on every rank",
                    num_params, comm.rank()),
        where);
  });
}

void check_same_on_all_ranks(const NamedOutputs& results, std::size_t num_params, const Communicator& comm,
                             const Operation& operation, SourceLocation where) {
  const std::vector<Expr> order = topological_order(exprs_of(results));
  check_same_num_params(num_params, comm, operation, where);
  check_same_structure(results, order, comm, operation, where);

  std::vector<Expr> constants;
  std::vector<std::uint64_t> values;
  for (const Expr& expr : order) {
    if (as<Constant>(expr) == nullptr || expr.placement() != Placement::replicated) continue;
    constants.push_back(expr);
    values.push_back(expr.node()->op->fingerprint());
  }
  require_same(values, comm, operation, [&](std::size_t different) {
    const Node& node = *constants[different].node();
    return DivergenceError(
        fmt::format("expected the same constant on every rank, got different ones of shape {}: rank {} "
                    "has {}; broadcast it from one rank (MPI_Bcast), count rows with total_rows(), or "
                    "declare it with rank_constant "
                    "where it is a rank's own",
                    to_string(node.shape), comm.rank(), node.op->attributes()),
        node.where);
  });
}

bool has_tangents(const Expr& result) {
  return !any_node({result}, [](const Expr& expr) { return !expr.node()->op->has_tangent(); });
}

std::vector<bool> used_params(const Expr& result, const Expr& params) {
  std::vector<bool> used(params.shape()[0].length, false);
  for_each_node({&result, 1}, [&](const Expr& expr) {
    if (elements_of(expr, params)) return;  // what is used is what is made of it
    for (const Expr& operand : expr.node()->operands) {
      const auto elements = elements_of(operand, params);
      if (!elements) continue;
      for (std::size_t element : elements->positions()) used[element] = true;
    }
  });
  return used;
}

void warn_of_unused_params(const std::vector<bool>& used, const Communicator& comm, SourceLocation where) {
  std::vector<std::size_t> unused;
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) unused.push_back(i);
  }
  if (unused.empty() || !comm.is_root()) return;
  emit(Severity::warning,
       fmt::format("{}{}of {} parameters, those with indices {} are not used; the loss does not depend on "
                   "them, and its gradient is 0 there",
                   where.str(), where.known() ? ": " : "", used.size(), unused));
}

}  // namespace allgrad
