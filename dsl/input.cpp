#include "dsl/input.hpp"

#include <algorithm>

#include "allgrad/error.hpp"

namespace allgrad {

Array Input::evaluate(const Node& node, std::span<const Array* const>, Evaluation& evaluation) const {
  Array value = Array::from_shape(local_shape(node.shape));
  std::ranges::copy(evaluation.input(name_), value.storage().begin());
  return value;
}

View Input::lower(const Node& node, Lowering& lowering) const { return lowering.input(name_, node.shape); }

bool is_input(const Expr& expr, std::string_view name) {
  const auto* input = as<Input>(expr);
  return input != nullptr && input->name() == name;
}

Expr parameters(std::size_t size, SourceLocation where) {
  if (size == 0) {
    throw ArgumentError(
        "expected at least one parameter, got 0; give parameters(n), or the guess of a model, a number for "
        "each parameter",
        where);
  }
  return make_node(std::make_shared<const Input>(parameters_name, Shape{size}), {}, where);
}

}  // namespace allgrad
