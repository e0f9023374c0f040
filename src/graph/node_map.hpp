#pragma once

#include "base/flat_map.hpp"
#include "graph/node.hpp"

namespace allgrad {

/// A value for each of some nodes.
template <class T>
using NodeMap = FlatMap<const Node*, T>;

/// Some nodes.
class NodeSet {
 public:
  /// As of a set of the standard library: `second` is false where the node is there already.
  auto insert(const Node* node) { return nodes_.emplace(node); }
  bool contains(const Node* node) const { return nodes_.contains(node); }
  std::size_t size() const { return nodes_.size(); }

 private:
  struct Nothing {};
  NodeMap<Nothing> nodes_;
};

}  // namespace allgrad
