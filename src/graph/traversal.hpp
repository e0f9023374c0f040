#pragma once

#include <functional>
#include <span>
#include <vector>

#include "graph/node_map.hpp"

namespace allgrad {

/// All nodes that the outputs need, operands before their users; the same order for the same graph on every rank.
std::vector<Expr> topological_order(std::span<const Expr> outputs);

/// Visits these nodes in that order, which is cheaper than to list them.
void for_each_node(std::span<const Expr> outputs, const std::function<void(const Expr&)>& visit);

/// True where a node that the outputs need has a property. Passes ask it before they build a graph anew.
bool any_node(std::span<const Expr> outputs, const std::function<bool(const Expr&)>& has_property);

/// The nodes of `order` (topological) that depend on an input, the inputs included, by a path without nodes that are
/// `ignored`.
NodeSet dependents(std::span<const Expr> order, const std::function<bool(const Expr&)>& is_input,
                   const std::function<bool(const Expr&)>& ignored = {});

/// What stands for nodes of a graph in another one; nodes that are not among them stand for themselves.
using Replacements = NodeMap<Expr>;

/// The node with what stands for its operands; itself where that changes none.
Expr with_replaced_operands(const Expr& expr, const Replacements& replacements);

/// Notes what stands for the node where something else stands for its operands, and nothing for itself yet.
void rebuild(const Expr& expr, Replacements& replacements);

/// What stands for nodes.
const Expr& replaced(const Expr& expr, const Replacements& replacements);
std::vector<Expr> replaced(std::span<const Expr> exprs, const Replacements& replacements);

/// Builds a graph anew, operands before users: `step` gets a node with its new operands in place and returns what
/// stands for it. A node whose operands have not changed is passed as it is.
std::vector<Expr> rewrite(std::span<const Expr> outputs, const std::function<Expr(const Expr&)>& step);

}  // namespace allgrad
