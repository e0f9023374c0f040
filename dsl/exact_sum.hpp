#pragma once

#include "dsl/call_operator.hpp"

namespace allgrad {

/// What a sum over rows, and maybe lanes, is made of, whatever the order of its terms: [.., bins]; see dsl/bins.hpp.
/// Its shares add up without rounding. Made when a gradient is there already, so it has no adjoint.
class BinSum final : public Operator {
 public:
  /// `axes` ascending, the row axis among them.
  explicit BinSum(std::vector<std::size_t> axes) : axes_(std::move(axes)) {}

  std::string_view name() const override { return "bin_sum"; }
  std::string attributes() const override;
  void identify(Fingerprint& hash) const override;
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::none; }
  Placement infer_placement(std::span<const Expr>, const Shape&) const override { return Placement::partial; }
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;

 private:
  std::vector<std::size_t> axes_;
};

/// The same of each of the sums that ScatterAdd makes of rows: x and an index -> [.., n, bins].
class BinScatter final : public CallOperator {
 public:
  /// The shape of the sums, [.., n].
  explicit BinScatter(Shape shape) : shape_(std::move(shape)) {}

  std::string_view name() const override { return "bin_scatter"; }
  std::string attributes() const override { return "shape=" + to_string(shape_); }
  void identify(Fingerprint& hash) const override { add_to(hash, shape_); }
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::none; }
  Placement infer_placement(std::span<const Expr>, const Shape&) const override { return Placement::partial; }
  void call(const Node& node, const CallArguments& arguments) const override;

 protected:
  bool adds() const override { return true; }

 private:
  Shape shape_;
};

/// The numbers that such bins are, once all shares are there: [.., bins] -> [..].
class RoundBins final : public Operator {
 public:
  std::string_view name() const override { return "round_bins"; }
  void identify(Fingerprint&) const override {}
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::none; }
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;
  void call(const Node& node, const CallArguments& arguments) const override;
};

/// The total of a sum over rows of `x`, the same to the bit however the rows are dealt out to ranks.
Expr exact_row_sum(const Expr& x, std::vector<std::size_t> axes);

/// Likewise the total of what a ScatterAdd of rows makes.
Expr exact_scatter(const Expr& scatter);

}  // namespace allgrad
