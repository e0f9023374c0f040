#include "compile/row_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "allgrad/error.hpp"
#include "allgrad/table.hpp"
#include "comm/call.hpp"
#include "compile/check_graph.hpp"
#include "dsl/input.hpp"
#include "dsl/precomputed.hpp"
#include "dsl/row_count.hpp"
#include "dsl/row_number.hpp"
#include "dsl/store.hpp"
#include "dsl/write_rows.hpp"
#include "execute/executor.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"
#include "passes/cancel_shares.hpp"
#include "passes/common_subexpressions.hpp"
#include "passes/exact_row_sums.hpp"
#include "passes/hoist_broadcasts.hpp"
#include "passes/insert_allreduce.hpp"
#include "passes/merge_collectives.hpp"

namespace allgrad {

void check_known(const Expr& value, const std::string& what, const Communicator& comm, SourceLocation where) {
  for_each_node({&value, 1}, [&](const Expr& node) { check_table(node, comm); });
  const std::string_view input = input_of(value);
  if (input.empty()) return;
  throw ExpressionError(
      fmt::format("{} depends on {}, which have no values here; make it of columns and numbers alone", what, input),
      where);
}

Array compute_row_values(const Expr& value, const Communicator& comm, ExecutorKind executor) {
  const SourceLocation where = value.node()->where;
  const auto rows = std::make_shared<Array>(Array::from_shape(local_shape(value.shape())));
  const Expr numbers = make_node(std::make_shared<const RowNumber>(rows_of(value.shape())), {}, where);
  // With exact sums, since what is kept serves programs with reproducible ones, too.
  const Expr total = cancel_shares(exact_row_sums(replace_stored(insert_allreduce({value}))))[0];
  std::vector<Expr> graph = {make_node(std::make_shared<const WriteRows>(rows), {total, numbers}, where)};
  graph = merge_collectives(common_subexpressions(hoist_broadcasts(graph)));
  compute_kept(graph, comm, executor);
  make_executor(executor, graph, comm)->run({}, Operation("the computing of values per row", where));
  return std::move(*rows);
}

std::vector<Expr> replace_stored(const Graph& graph) {
  const auto is_stored = [](const Expr& expr) { return as<Store>(expr) != nullptr; };
  if (!any_node(graph, is_stored)) return graph.outputs();
  return rewrite(graph, [](const Expr& expr) {
    const auto* store = as<Store>(expr);
    if (store == nullptr) return expr;
    ColumnStore& column = *store->kept();
    if (column.computed_from.empty()) {
      column.computed_from = expr.node()->operands[0];
      column.numbers.lanes = lane_shape(expr.shape());
    }
    return make_node(std::make_shared<const ColumnOperator>("stored", rows_of(expr.shape()), store->kept()), {},
                     expr.node()->where);
  });
}

namespace {

using Generations = std::vector<std::pair<std::shared_ptr<const RowAxis>, std::uint64_t>>;

/// The row axes of a graph, and which of their rows they have.
Generations generations_of(const Graph& graph) {
  Generations generations;
  const auto add = [&](const std::shared_ptr<const RowAxis>& rows) {
    const bool is_known = std::ranges::find(generations, rows, &Generations::value_type::first) != generations.end();
    if (rows != nullptr && !is_known) generations.emplace_back(rows, rows->generation);
  };
  for (const Expr& expr : graph.nodes()) {
    add(rows_of(expr.shape()));
    if (const auto* count = as<RowCount>(expr)) add(count->rows());
    const auto* column = as<ColumnOperator>(expr);
    if (column != nullptr && !column->store().computed_from.empty()) {
      for (const auto& [rows, generation] : generations_of({column->store().computed_from})) add(rows);
    }
    if (const auto* precomputed = as<Precomputed>(expr)) {
      for (const auto& [rows, generation] : generations_of({precomputed->store()->computed_from})) add(rows);
    }
  }
  return generations;
}

bool have_changed(const Generations& generations) {
  return std::ranges::any_of(generations, [](const auto& at) { return at.first->generation != at.second; });
}

RowNumbers computed_numbers(const ColumnOperator& column, const Communicator& comm, ExecutorKind executor) {
  const ColumnStore& store = column.store();
  Array values = compute_row_values(store.computed_from, comm, executor);
  const bool is_finite = std::ranges::all_of(values.storage(), [](double value) { return std::isfinite(value); });
  if (!store.is_finite || is_finite) return owned(std::move(values));
  throw DataError(fmt::format("table \"{}\": the column \"{}\", computed anew for other rows, is not finite in some; "
                              "assign other rows, or compute it so that it is finite",
                              column.rows()->table, column.label()),
                  store.computed_from.node()->where);
}

/// All at once, in as many sweeps as they need together.
void compute_precomputed(const std::vector<PrecomputedStore*>& stores, const Communicator& comm,
                         ExecutorKind executor) {
  std::vector<Expr> graph;
  for (const PrecomputedStore* store : stores) graph.push_back(store->computed_from);
  graph = merge_collectives(common_subexpressions(graph));
  compute_kept(graph, comm, executor);
  const auto run = make_executor(executor, graph, comm);
  const Operation evaluation("the evaluation of constants", graph[0].node()->where);
  comm.guarded([&] { run->run({}, evaluation); }, evaluation);
  for (std::size_t i = 0; i < stores.size(); ++i) {
    std::ranges::copy(run->output(i), stores[i]->value.storage().begin());
    stores[i]->generations = generations_of({stores[i]->computed_from});
  }
}

}  // namespace

void compute_kept(const Graph& graph, const Communicator& comm, ExecutorKind executor) {
  std::vector<const ColumnOperator*> columns;
  std::vector<PrecomputedStore*> stale;
  for (const Expr& expr : graph.nodes()) {
    if (const auto* column = as<ColumnOperator>(expr)) columns.push_back(column);
    const auto* precomputed = as<Precomputed>(expr);
    if (precomputed == nullptr) continue;
    PrecomputedStore* store = precomputed->store().get();
    if (store->generations.empty() || have_changed(store->generations)) stale.push_back(store);
  }
  for (const ColumnOperator* column : columns) {
    ColumnStore& store = column->store();
    if (store.computed_from.empty()) continue;
    std::uint64_t generation = 0;  // grows whenever a table that it depends on gets other rows
    for (const auto& [rows, of_rows] : generations_of({store.computed_from})) generation += of_rows;
    if (store.numbers.owner != nullptr && store.generation == generation) continue;
    store.numbers = comm.guarded([&] { return computed_numbers(*column, comm, executor); },  // on all ranks or on none
                                 Operation("the computing of values per row", store.computed_from.node()->where));
    store.generation = generation;
  }
  if (!stale.empty()) compute_precomputed(stale, comm, executor);
}

RowsOfGraph::RowsOfGraph(const Graph& graph) : generations_(generations_of(graph)) {}

bool RowsOfGraph::have_changed() const { return allgrad::have_changed(generations_); }

void Table::check_is_own(const Expr& expr, std::string_view what, SourceLocation where) const {
  if (row_axis(expr.shape()) != std::size_t{0} || rows_of(expr.shape()) != rows().rows) {
    throw ExpressionError(fmt::format("table \"{}\": expected as {} a value for each of its rows, of shape [rows] or "
                                      "[rows, ..], got shape {}",
                                      name(), what, to_string(expr.shape())),
                          where);
  }
  check_known(expr, fmt::format("table \"{}\": {}", name(), what), communicator(), where);
}

Table Table::with_column(const Name& name, const Operand& value, const std::string& unit) const {
  return in_call("Table::with_column", name.where, communicator(), [&] {
    const Operation operation("the computing of a column", name.where);
    const Communicator& comm = communicator();
    return comm.guarded(
        [&] {
          const Expr& expr = value.expr();
          check_is_own(expr, fmt::format("column \"{}\"", name.text), name.where);
          check_same_on_all_ranks({{std::string(name.text), expr}}, 0, comm, operation, name.where);
          return with_computed(std::string(name.text), expr, compute_row_values(expr, comm, ExecutorKind::tiled), unit,
                               name.where);
        },
        operation);
  });
}

}  // namespace allgrad
