#pragma once

#include "dsl/call_operator.hpp"

namespace allgrad {

/// Of a value per row, over the rows of each rank: how many reach the largest, and the largest, [.., rows, ..] ->
/// [2, .., ..] per rank, zeros where a rank has no rows; or the smallest.
class RowExtremum final : public CallOperator {
 public:
  explicit RowExtremum(bool smallest) : smallest_(smallest) {}

  std::string_view name() const override { return smallest_ ? "amin_of_rank" : "amax_of_rank"; }
  void identify(Fingerprint&) const override {}
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::none; }
  Placement infer_placement(std::span<const Expr>, const Shape&) const override { return Placement::per_rank; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Expr tangent(const Expr& node, std::span<const Expr> tangents) const override;
  void call(const Node& node, const CallArguments& arguments) const override;

 protected:
  bool adds() const override { return true; }

 private:
  Expr reaches(const Expr& node) const;

  bool smallest_;
};

/// What each rank has of its own, as one element of a new first axis with an element for each rank: [..] per rank ->
/// [ranks, ..] partial.
class FromRank final : public CallOperator {
 public:
  explicit FromRank(Communicator comm) : comm_(std::move(comm)) {}

  std::string_view name() const override { return "from_rank"; }
  void identify(Fingerprint&) const override {}
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::jointly; }
  Placement infer_placement(std::span<const Expr>, const Shape&) const override { return Placement::partial; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  void call(const Node& node, const CallArguments& arguments) const override;

 protected:
  bool adds() const override { return true; }

 private:
  Communicator comm_;
};

/// The transpose of FromRank: each rank's own element of the first axis, [ranks, ..] -> [..] per rank.
class ToRank final : public CallOperator {
 public:
  explicit ToRank(Communicator comm) : comm_(std::move(comm)) {}

  std::string_view name() const override { return "to_rank"; }
  void identify(Fingerprint&) const override {}
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::jointly; }
  Placement infer_placement(std::span<const Expr>, const Shape&) const override { return Placement::per_rank; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  void call(const Node& node, const CallArguments& arguments) const override;

 private:
  Communicator comm_;
};

/// The largest or smallest of a value per row over its rows on all ranks, without the row axis.
Expr extremum_over_rows(const Expr& x, bool smallest);

}  // namespace allgrad
