#pragma once

#include "graph/operator.hpp"

namespace allgrad {

/// The sum of every rank's share: partial -> replicated. Its adjoint is itself: the cotangent of its replicated result
/// is partial, and that of its partial operand is replicated.
class AllReduce final : public Operator {
 public:
  std::string_view name() const override { return "allreduce"; }
  void identify(Fingerprint&) const override {}
  bool is_collective() const override { return true; }
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::jointly; }
  Placement infer_placement(std::span<const Expr> operands, const Shape& shape) const override;
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;
};

/// An equal share for every rank: replicated -> partial, with the operand as its total. It exists between
/// differentiation and the pass that cancels it, and is never executed.
class Share final : public Operator {
 public:
  std::string_view name() const override { return "share"; }
  void identify(Fingerprint&) const override {}
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::jointly; }
  Placement infer_placement(std::span<const Expr> operands, const Shape& shape) const override;
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;
};

/// The same numbers on each rank, meant otherwise: what a rank has of its own as its share of a total (reduce_sum), or
/// a share as something of the rank's own. A replicated value, taken as a share, counts once for each rank.
class AsPlacement final : public Operator {
 public:
  explicit AsPlacement(Placement placement) : placement_(placement) {}

  std::string_view name() const override { return placement_ == Placement::partial ? "as_partial" : "as_per_rank"; }
  void identify(Fingerprint&) const override {}
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::jointly; }
  Placement infer_placement(std::span<const Expr>, const Shape&) const override { return placement_; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;

 private:
  Placement placement_;
};

Expr allreduce(const Expr& partial);
Expr share(const Expr& replicated);
Expr as_placement(const Expr& expr, Placement placement);

}  // namespace allgrad
