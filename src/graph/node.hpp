#pragma once

#include <memory>
#include <vector>

#include "allgrad/expr.hpp"

namespace allgrad {

class Operator;

/// One operation of a graph, immutable. Graphs are directed and acyclic, held from their results.
struct Node {
  std::shared_ptr<const Operator> op;
  std::vector<Expr> operands;
  std::shared_ptr<const Shape> shared_shape;  ///< with nodes of the same shape around it
  const Shape& shape;
  Placement placement;
  SourceLocation where;
  bool backward;  ///< built by differentiation
  bool finite;    ///< by its kind, see Operator::is_finite

  Node(std::shared_ptr<const Operator> operation, std::vector<Expr> inputs, std::shared_ptr<const Shape> extents,
       Placement placed, SourceLocation line, bool is_backward);
  ~Node();  // one node after the other: graphs may be deeper than the stack
};

inline bool is_per_row(const Expr& expr) { return expr.placement() == Placement::per_row; }
inline const Expr& operand(const Expr& expr, std::size_t k = 0) { return expr.node()->operands[k]; }

/// Applies `op`: infers shape and placement and checks them. Throws ExpressionError with the line of the call.
Expr make_node(std::shared_ptr<const Operator> op, std::vector<Expr> operands, SourceLocation where);

/// The same operation on other operands, at the same line and in the same half of the graph.
Expr with_operands(const Expr& expr, std::vector<Expr> operands);

/// While one lives, new nodes take their line and their half (forward or backward) from a given node instead of from
/// the code that builds them: for adjoints and passes, whose nodes belong to a line of the user's.
class NodeOrigin {
 public:
  NodeOrigin(SourceLocation where, bool backward);
  ~NodeOrigin();
  NodeOrigin(const NodeOrigin&) = delete;
  NodeOrigin& operator=(const NodeOrigin&) = delete;

 private:
  const NodeOrigin* outer_;
  SourceLocation where_;
  bool backward_;
  friend Expr make_node(std::shared_ptr<const Operator>, std::vector<Expr>, SourceLocation);
};

}  // namespace allgrad
