#pragma once

#include "graph/operator.hpp"

namespace allgrad {

/// Running sums along a lane axis, from its first element or from its last.
class Cumsum final : public Operator {
 public:
  Cumsum(std::size_t axis, bool reversed) : axis_(axis), reversed_(reversed) {}

  std::string_view name() const override { return "cumsum"; }
  std::string attributes() const override;
  void identify(Fingerprint& hash) const override;
  Shape infer_shape(std::span<const Expr> operands) const override { return operands[0].shape(); }
  Linearity linearity() const override { return Linearity::jointly; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;
  void call(const Node& node, const CallArguments& arguments) const override;

 private:
  std::size_t axis_;
  bool reversed_;
};

}  // namespace allgrad
