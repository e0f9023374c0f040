#pragma once

#include <array>

#include "allgrad/key.hpp"
#include "graph/graph.hpp"

namespace allgrad {

/// The key as the input of a graph.
inline std::array<double, 2> numbers_of(const Key& key) {
  return {static_cast<double>(key.words()[0]), static_cast<double>(key.words()[1])};
}

/// The first node that uses the random key, or the key itself where it is an output only; null where there is none.
const Node* find_draw(const Graph& graph);

}  // namespace allgrad
