#pragma once

#include "graph/operator.hpp"

namespace allgrad {

/// The parameter vector [size], the input of a graph; the same on every rank.
class Parameters final : public Operator {
 public:
  explicit Parameters(std::size_t size) : size_(size) {}

  std::string_view name() const override { return "parameters"; }
  void identify(Fingerprint&) const override {}
  Shape infer_shape(std::span<const Expr>) const override { return {size_}; }
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr&, const Expr&, std::size_t) const override { return {}; }
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;

 private:
  std::size_t size_;
};

}  // namespace allgrad
