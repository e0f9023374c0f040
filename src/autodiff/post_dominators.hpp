#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace allgrad {

/// True where a user of an operand is a value per row, and each row uses the same row of an operand per row.
bool stays_in_rows(const Expr& operand, const Expr& user);

/// Through which values per row all ways lead from a node to what is no value per row, such as a sum over rows: its
/// post-dominators, as a tree of which each node's parent is the next one (Cooper, Harvey, Kennedy 2001, "A simple,
/// fast dominance algorithm", on a graph without cycles).
class PostDominators {
 public:
  using Number = Graph::Number;

  explicit PostDominators(const Graph& graph);

  /// The next value per row behind a node through which all ways lead; `none()` where there is no such value.
  Number next(Number node) const { return next_[node]; }
  Number none() const { return static_cast<Number>(next_.size()); }

  /// The first value per row that is `a` or behind it, and `b` or behind it, on all ways.
  Number meeting(Number a, Number b) const;

  /// `node`, or the first one behind it on all ways that is not before `other`.
  Number not_before(Number other, Number node) const;

 private:
  std::vector<Number> next_;
};

}  // namespace allgrad
