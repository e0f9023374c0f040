#pragma once

#include <memory>
#include <string>

#include "graph/operator.hpp"

namespace allgrad {

/// A column of a table, [rows]; per row. It shares the ownership of the numbers, where a table owns them.
class ColumnOperator final : public Operator {
 public:
  ColumnOperator(std::string name, std::shared_ptr<const RowAxis> rows, std::shared_ptr<const void> owner,
                 const double* data, bool is_finite)
      : name_(std::move(name)),
        rows_(std::move(rows)),
        owner_(std::move(owner)),
        data_(data),
        is_finite_(is_finite) {}

  std::string_view name() const override { return "column"; }
  std::string attributes() const override { return rows_->table + "." + name_; }
  void identify(Fingerprint& hash) const override;
  std::string label() const override { return name_; }
  bool is_finite(std::span<const Expr>) const override { return is_finite_; }
  Shape infer_shape(std::span<const Expr>) const override { return {rows_}; }
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr&, const Expr&, std::size_t) const override { return {}; }
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;

 private:
  std::string name_;
  std::shared_ptr<const RowAxis> rows_;
  std::shared_ptr<const void> owner_;
  const double* data_;
  bool is_finite_;  ///< on every rank: not declared to be otherwise
};

}  // namespace allgrad
