#pragma once

#include <vector>

#include "graph/node_map.hpp"

namespace allgrad {

/// The cotangents of a graph's nodes while contributions to them come in. Those of slices wait until all are there and
/// are joined then: 4,000 elements of a vector contribute one concatenation, not 4,000 vectors of zeros but for one.
class Cotangents {
 public:
  void add(const Node* node, const Expr& contribution);

  /// The sum of what was added; empty where that is nothing.
  Expr total(const Node* node);

 private:
  struct Sum {
    Expr whole = {};
    std::vector<Expr> padded = {};  // each a PadAxis
  };
  NodeMap<Sum> sums_;
};

}  // namespace allgrad
