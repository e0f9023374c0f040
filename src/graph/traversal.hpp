#pragma once

#include <functional>
#include <span>
#include <vector>

#include "graph/graph.hpp"
#include "graph/node_map.hpp"

namespace allgrad {

/// All nodes that the outputs need, operands before their users; the same order for the same graph on every rank.
std::vector<Expr> topological_order(std::span<const Expr> outputs);

/// Visits these nodes in that order, which is cheaper than to list them.
void for_each_node(std::span<const Expr> outputs, const std::function<void(const Expr&)>& visit);

/// True where a node has a property. Passes ask it before they build a graph anew.
bool any_node(const Graph& graph, const std::function<bool(const Expr&)>& has_property);

/// The nodes of `order` (topological) that depend on an input, the inputs included, by a path without nodes that are
/// `ignored`.
NodeSet dependents(std::span<const Expr> order, const std::function<bool(const Expr&)>& is_input,
                   const std::function<bool(const Expr&)>& ignored = {});

/// What stands for nodes of a graph in another one; nodes that are not among them stand for themselves.
using Replacements = NodeMap<Expr>;

/// Notes what stands for the node where something else stands for its operands, and nothing for itself yet.
void rebuild(const Expr& expr, Replacements& replacements);

/// What stands for nodes.
const Expr& replaced(const Expr& expr, const Replacements& replacements);
std::vector<Expr> replaced(std::span<const Expr> exprs, const Replacements& replacements);

/// What stands for the nodes of a graph, by their numbers: themselves, until something else is set.
class NewNodes {
 public:
  explicit NewNodes(const Graph& graph) : graph_(graph), nodes_(graph.size()) {}

  const Expr& operator[](std::size_t node) const { return nodes_[node].empty() ? graph_.nodes()[node] : nodes_[node]; }
  void set(std::size_t node, Expr expr) {
    if (expr.node() != graph_.nodes()[node].node()) nodes_[node] = std::move(expr);
  }

  /// The node with what stands for its operands; itself where that changes none.
  Expr with_new_operands(std::size_t node) const;

  /// Sets what users of nodes that were set become with these as operands.
  void rebuild();

  /// What stands for the outputs.
  std::vector<Expr> outputs() const;

 private:
  const Graph& graph_;
  std::vector<Expr> nodes_;  // empty for what stands for itself
};

/// Builds a graph anew, operands before users: `step` gets a node with its new operands in place, and returns what
/// stands for it. A node whose operands have not changed is passed as it is.
std::vector<Expr> rewrite(const Graph& graph, const std::function<Expr(const Expr& now)>& step);

/// The same where what stands for a node depends on what it was, too.
std::vector<Expr> rewrite(const Graph& graph, const std::function<Expr(const Expr& now, const Expr& before)>& step);

}  // namespace allgrad
