#pragma once

#include <string>
#include <vector>

#include "allgrad/compile.hpp"
#include "graph/graph.hpp"

namespace allgrad {

/// Throws ExpressionError, which says `what` the value is, where it depends on an input or on tables of another
/// communicator.
void check_known(const Expr& value, const std::string& what, const Communicator& comm, SourceLocation where);

/// This rank's rows [rows, ..] of a value per row whose row axis is the first and which depends on no input.
/// Collective, in a Call.
Array compute_row_values(const Expr& value, const Communicator& comm, ExecutorKind executor);

/// Columns in place of what is to be kept by `store`.
std::vector<Expr> replace_stored(const Graph& graph);

/// Computes what a graph keeps, columns and other values, and has not for the rows at hand. Collective, in a Call.
void compute_kept(const Graph& graph, const Communicator& comm, ExecutorKind executor);

/// Row axes of a graph, and which of their rows they had.
class RowsOfGraph {
 public:
  explicit RowsOfGraph(const Graph& graph);

  /// True where they have other rows now.
  bool have_changed() const;

 private:
  std::vector<std::pair<std::shared_ptr<const RowAxis>, std::uint64_t>> generations_;
};

}  // namespace allgrad
