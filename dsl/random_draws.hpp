#pragma once

#include "dsl/kernel_id.hpp"
#include "dsl/threefry.hpp"
#include "graph/operator.hpp"

namespace allgrad {

/// A row of draws.def.
struct DrawRow {
  std::string_view name;
  Kernel kernel;
  double (*value)(const RandomWords& words);
};

/// A random number for each element, from a key [2] and the elements' numbers, whose shape it has: it depends on these
/// alone, not on how rows are spread over ranks. Its derivative by both is zero by design: a draw is a constant of the
/// evaluation.
class Draw final : public Operator {
 public:
  explicit Draw(const DrawRow& row) : row_(row) {}

  std::string_view name() const override { return row_.name; }
  void identify(Fingerprint&) const override {}
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr&, const Expr&, std::size_t) const override { return {}; }
  Expr tangent(const Expr&, std::span<const Expr>) const override { return {}; }
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;

 private:
  const DrawRow& row_;
};

}  // namespace allgrad
