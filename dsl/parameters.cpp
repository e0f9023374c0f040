#include "dsl/parameters.hpp"

#include <algorithm>

#include "allgrad/error.hpp"

namespace allgrad {

Expr parameters(std::size_t size, SourceLocation where) {
  if (size == 0) {
    throw ArgumentError(
        "expected at least one parameter, got 0; give parameters(n), or the guess of a model, a number for "
        "each parameter",
        where);
  }
  return make_node(std::make_shared<const Parameters>(size), {}, where);
}

Array Parameters::evaluate(const Node&, std::span<const Array* const>, Evaluation& evaluation) const {
  Array value = Array::from_shape({size_});
  std::ranges::copy(evaluation.params(), value.begin());
  return value;
}

View Parameters::lower(const Node& node, Lowering& lowering) const { return lowering.parameters(node.shape); }

}  // namespace allgrad
