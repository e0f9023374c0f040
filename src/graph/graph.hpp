#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "graph/node.hpp"

namespace allgrad {

/// Outputs and all nodes that they need, numbered: operands before their users, in the same order for the same graph on
/// every rank. Passes go over the list, and keep what they know of nodes in vectors, by number.
class Graph {
 public:
  using Number = std::uint32_t;

  /// `expected_size` is about how many nodes there will be, where that is known.
  Graph(std::vector<Expr> outputs, std::size_t expected_size = 0);
  Graph(std::initializer_list<Expr> outputs) : Graph(std::vector<Expr>(outputs)) {}

  const std::vector<Expr>& outputs() const { return outputs_; }
  const std::vector<Expr>& nodes() const { return nodes_; }
  std::size_t size() const { return nodes_.size(); }

  /// Numbers of the operands of a node, in their order.
  std::span<const Number> operands(std::size_t node) const {
    return std::span(operands_).subspan(first_operand_[node], first_operand_[node + 1] - first_operand_[node]);
  }
  const std::vector<Number>& output_numbers() const { return output_numbers_; }

 private:
  std::vector<Expr> outputs_, nodes_;
  std::vector<Number> operands_;       // of all nodes, one after the other
  std::vector<Number> first_operand_;  // of each node, and where the last one's end
  std::vector<Number> output_numbers_;
};

}  // namespace allgrad
