#pragma once

#include <span>

#include "graph/operator.hpp"

namespace allgrad {

/// The random key of an evaluation, the input of a graph beside the parameters: its two words [2], which doubles hold
/// exactly; the same on every rank.
class RandomKey final : public Operator {
 public:
  std::string_view name() const override { return "random_key"; }
  void identify(Fingerprint&) const override {}
  Shape infer_shape(std::span<const Expr>) const override { return {2}; }
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr&, const Expr&, std::size_t) const override { return {}; }
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;
};

/// The first node that uses the random key, or the key itself where it is an output only; null where there is none.
const Node* find_draw(std::span<const Expr> outputs);

}  // namespace allgrad
