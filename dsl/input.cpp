#include "dsl/input.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "allgrad/error.hpp"
#include "allgrad/params.hpp"
#include "graph/traversal.hpp"

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

std::string_view input_of(const Expr& value) {
  std::string_view found;
  for_each_node({&value, 1}, [&](const Expr& expr) {
    if (as<Input>(expr) != nullptr) found = is_input(expr, parameters_name) ? "parameters" : "random numbers";
  });
  return found;
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

Expr parameters(const Params& params, SourceLocation where) {
  std::vector<std::string> names;
  for (const Param& param : params) {
    if (!param.name.empty() && std::ranges::find(names, param.name) != names.end()) {
      throw ArgumentError(fmt::format("two parameters are named \"{}\"; give each a name of its own", param.name),
                          where);
    }
    names.push_back(param.name);
  }
  parameters(params.size(), where);  // throws where there are none
  return make_node(std::make_shared<const Input>(parameters_name, Shape{params.size()}, std::move(names)), {}, where);
}

Expr Expr::operator[](const Name& name) const {
  const auto* input = empty() ? nullptr : as<Input>(*this);
  const std::vector<std::string> names = input == nullptr ? std::vector<std::string>() : input->labels();
  const auto found = std::ranges::find(names, name.text);
  if (found != names.end()) return (*this)[Index(found - names.begin(), name.where)];
  throw ExpressionError(
      names.empty()
          ? fmt::format("[\"{}\"]: expected parameters that are declared with names, got {}; override params() "
                        "in the model, or take parameters(ag::Params)",
                        name.text, empty() ? "an empty Expr" : str())
          : fmt::format("there is no parameter \"{}\"; there are {}", name.text, names),
      name.where);
}

}  // namespace allgrad
