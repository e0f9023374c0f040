#pragma once

#include "graph/operator.hpp"

namespace allgrad {

/// The number of rows of a table on all ranks [].
class RowCount final : public Operator {
 public:
  explicit RowCount(std::shared_ptr<const RowAxis> rows) : rows_(std::move(rows)) {}

  const std::shared_ptr<const RowAxis>& rows() const { return rows_; }

  std::string_view name() const override { return "row_count"; }
  std::string attributes() const override { return rows_->table; }
  void identify(Fingerprint& hash) const override;
  bool same_on_this_rank(const Operator& other) const override;
  Shape infer_shape(std::span<const Expr>) const override { return {}; }
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr&, const Expr&, std::size_t) const override { return {}; }
  Array evaluate(const Node&, std::span<const Array* const>, Evaluation&) const override { return rows_->count; }
  View lower(const Node&, Lowering& lowering) const override { return lowering.external(&rows_->count, {}); }

 private:
  std::shared_ptr<const RowAxis> rows_;
};

Expr row_count(const std::shared_ptr<const RowAxis>& rows, SourceLocation where);

}  // namespace allgrad
