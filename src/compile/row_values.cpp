#include "compile/row_values.hpp"

#include <fmt/format.h>

#include "allgrad/error.hpp"
#include "allgrad/table.hpp"
#include "comm/call.hpp"
#include "compile/check_graph.hpp"
#include "dsl/input.hpp"
#include "dsl/row_number.hpp"
#include "dsl/store.hpp"
#include "dsl/write_rows.hpp"
#include "execute/executor.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"
#include "passes/common_subexpressions.hpp"
#include "passes/hoist_broadcasts.hpp"
#include "passes/insert_allreduce.hpp"
#include "passes/merge_collectives.hpp"

namespace allgrad {

Array compute_row_values(const Expr& value, const Communicator& comm, ExecutorKind executor,
                         const Operation& operation) {
  const SourceLocation where = value.node()->where;
  const auto rows = std::make_shared<Array>(Array::from_shape(local_shape(value.shape())));
  const Expr numbers = make_node(std::make_shared<const RowNumber>(rows_of(value.shape())), {}, where);
  std::vector<Expr> graph = {make_node(std::make_shared<const WriteRows>(rows), {value, numbers}, where)};
  graph = replace_stored(insert_allreduce(graph), comm, executor);
  graph = merge_collectives(common_subexpressions(hoist_broadcasts(graph)));
  make_executor(executor, graph, comm)->run({}, operation);
  return std::move(*rows);
}

std::vector<Expr> replace_stored(const std::vector<Expr>& outputs, const Communicator& comm, ExecutorKind executor) {
  const auto is_stored = [](const Expr& expr) { return as<Store>(expr) != nullptr; };
  if (!any_node(outputs, is_stored)) return outputs;
  return rewrite(outputs, [&](const Expr& expr) {
    const auto* store = as<Store>(expr);
    if (store == nullptr) return expr;
    RowNumbers& numbers = store->kept()->numbers;
    if (numbers.owner == nullptr) {
      Array values = compute_row_values(expr.node()->operands[0], comm, executor,
                                        Operation("the computing of what is stored", expr.node()->where));
      numbers.lanes = lane_shape(expr.shape());
      const auto owned = std::make_shared<const Array>(lanes_first(std::move(values)));
      numbers.data = owned->data();
      numbers.owner = owned;
    }
    return make_node(std::make_shared<const ColumnOperator>("stored", rows_of(expr.shape()), numbers), {},
                     expr.node()->where);
  });
}

Table Table::with_column(const Name& name, const Operand& value) const {
  return in_call("Table::with_column", name.where, communicator(), [&] {
    const Operation operation("the computing of a column", name.where);
    const Communicator& comm = communicator();
    return comm.guarded(
        [&] {
          const Expr& expr = value.expr();
          if (row_axis(expr.shape()) != std::size_t{0} || rows_of(expr.shape()) != rows().rows) {
            throw ExpressionError(
                fmt::format("table \"{}\": expected as column \"{}\" a value for each of its rows, of "
                            "shape [rows] or [rows, ..], got shape {}",
                            this->name(), name.text, to_string(expr.shape())),
                name.where);
          }
          for_each_node({&expr, 1}, [&](const Expr& node) {
            check_table(node, comm);
            if (as<Input>(node) == nullptr) return;
            throw ExpressionError(
                fmt::format("table \"{}\": column \"{}\" depends on {}, which has no value here; make it of columns "
                            "and numbers alone",
                            this->name(), name.text, is_input(node, parameters_name) ? "parameters" : "random numbers"),
                name.where);
          });
          check_same_on_all_ranks({{std::string(name.text), expr}}, 0, comm, operation, name.where);
          return with_numbers(std::string(name.text), compute_row_values(expr, comm, ExecutorKind::tiled, operation),
                              name.where);
        },
        operation);
  });
}

}  // namespace allgrad
