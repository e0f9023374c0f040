#pragma once

#include "dsl/call_operator.hpp"

namespace allgrad {

/// Rows of a value per row, by their numbers among the rows of all ranks: x [rows, ..], an index per row of another
/// table, or the same, that broadcasts with the other axes of x, and the numbers of the index's rows, for messages.
/// Both tables' rows have to be on one rank.
class TakeRows final : public Operator {
 public:
  std::string_view name() const override { return "take_rows"; }
  bool works_by_rows() const override { return false; }
  void identify(Fingerprint&) const override {}
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::first; }
  bool is_finite(std::span<const Expr>) const override { return false; }  // NaN where there is no such row
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Expr tangent(const Expr& node, std::span<const Expr> tangents) const override;
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;
  void call(const Node& node, const CallArguments& arguments) const override;
};

/// The transpose of TakeRows: x, added up at rows of a value of the given shape [rows, ..]. Its other axes and the
/// index broadcast to the shape of x; the sum is over axes of x that it lacks. `placement` is per_row, or per_rank
/// where it lies in memory for all rows of the rank.
class ScatterRows final : public Operator {
 public:
  explicit ScatterRows(Shape shape, Placement placement = Placement::per_row)
      : shape_(std::move(shape)), placement_(placement) {}

  std::string_view name() const override { return "scatter_rows"; }
  std::string attributes() const override { return "table=" + shape_[0].rows->table; }
  bool works_by_rows() const override { return false; }
  void identify(Fingerprint& hash) const override;
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::first; }
  Placement infer_placement(std::span<const Expr>, const Shape&) const override { return placement_; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Expr tangent(const Expr& node, std::span<const Expr> tangents) const override;
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;
  void call(const Node& node, const CallArguments& arguments) const override;

 private:
  Shape shape_;
  Placement placement_;
};

/// A value per row [rows, ..] in memory for all rows of the rank, which other loops over rows can look into: value, row
/// numbers [rows] -> per rank. Made when a graph is cut into loops, so it has no derivative; nor has KeptRows.
class KeepRows final : public Operator {
 public:
  std::string_view name() const override { return "keep_rows"; }
  void identify(Fingerprint&) const override {}
  Shape infer_shape(std::span<const Expr> operands) const override { return operands[0].shape(); }
  Linearity linearity() const override { return Linearity::first; }
  Placement infer_placement(std::span<const Expr>, const Shape&) const override { return Placement::per_rank; }
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;
  void call(const Node& node, const CallArguments& arguments) const override;
};

/// What lies in memory for all rows of the rank as a value per row: [rows, ..] per rank -> per row.
class KeptRows final : public Operator {
 public:
  std::string_view name() const override { return "kept_rows"; }
  void identify(Fingerprint&) const override {}
  Shape infer_shape(std::span<const Expr> operands) const override { return operands[0].shape(); }
  Linearity linearity() const override { return Linearity::jointly; }
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;
};

/// Rows of x [rows, ..] by an index [rows, ..], which has as many axes of length 1 behind as x has beside its rows.
Expr take_rows(const Expr& x, const Expr& index, SourceLocation where);

/// The sums of x at rows of a value of the shape, [rows, ..].
Expr scatter_rows(const Shape& shape, const Expr& x, const Expr& index, SourceLocation where);

}  // namespace allgrad
