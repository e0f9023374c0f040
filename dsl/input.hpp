#pragma once

#include <string>

#include "graph/operator.hpp"

namespace allgrad {

/// An input of a graph: a value that each evaluation is given, the same on every rank. Nodes of one name are the same
/// input.
class Input final : public Operator {
 public:
  /// `labels` of the elements of a vector, or none.
  Input(std::string_view name, Shape shape, std::vector<std::string> labels = {})
      : name_(name), shape_(std::move(shape)), labels_(std::move(labels)) {}

  const std::vector<std::string>& labels() const { return labels_; }

  std::string_view name() const override { return name_; }
  void identify(Fingerprint&) const override {}
  Shape infer_shape(std::span<const Expr>) const override { return shape_; }
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr&, const Expr&, std::size_t) const override { return {}; }
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;

 private:
  std::string name_;
  Shape shape_;
  std::vector<std::string> labels_;
};

/// The parameter vector [ndim], and the two words of the random key [2], which doubles hold exactly.
inline constexpr std::string_view parameters_name = "parameters", random_key_name = "random_key";

bool is_input(const Expr& expr, std::string_view name);

/// What a value depends on that each evaluation is given: "parameters", "random numbers", or "" for neither.
std::string_view input_of(const Expr& value);

}  // namespace allgrad
