#pragma once

#include "graph/operator.hpp"

namespace allgrad {

/// The number of each row of a table among the rows of all ranks [rows]; per row. Computed tile by tile, never stored
/// for all rows.
class RowNumber final : public Operator {
 public:
  explicit RowNumber(std::shared_ptr<const RowAxis> rows) : rows_(std::move(rows)) {}

  std::string_view name() const override { return "row_number"; }
  std::string attributes() const override { return rows_->table; }
  void identify(Fingerprint& hash) const override;
  Shape infer_shape(std::span<const Expr>) const override { return {rows_}; }
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr&, const Expr&, std::size_t) const override { return {}; }
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;

 private:
  std::shared_ptr<const RowAxis> rows_;
};

}  // namespace allgrad
