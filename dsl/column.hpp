#pragma once

#include <memory>
#include <string>

#include "dsl/row_stream.hpp"
#include "graph/operator.hpp"

namespace allgrad {

/// Numbers for each row of a table, [rows] or [rows, ..]: for each lane those of all rows. In memory, whose ownership
/// they share where it is owned, or in a stream.
struct RowNumbers {
  std::shared_ptr<const void> owner;
  const double* data = nullptr;
  std::vector<std::size_t> lanes = {};     ///< lengths of the axes behind the row axis
  std::shared_ptr<RowStream> stream = {};  ///< null where they lie in memory
  std::size_t in_stream = 0;               ///< the number of the column in it
};

/// The numbers of a column, shared by all tables and graphs that have it. Table::assign replaces them.
struct ColumnStore {
  RowNumbers numbers = {};
  Expr computed_from = {};       ///< what they are the value of; empty for data
  std::uint64_t generation = 0;  ///< of the rows that they were computed for
  bool is_finite = false;        ///< no rank declares that they may be NaN or infinite; graphs depend on it
  std::string unit = {};         ///< empty where there is none
};

/// The numbers of an array [rows, ..].
RowNumbers owned(Array&& values);

/// The first column of a graph whose rows are not all in memory; null where there is none.
const Node* find_streamed(std::span<const Expr> outputs);

/// A column of a table; per row.
class ColumnOperator final : public Operator {
 public:
  ColumnOperator(std::string name, std::shared_ptr<const RowAxis> rows, std::shared_ptr<ColumnStore> store)
      : name_(std::move(name)), rows_(std::move(rows)), store_(std::move(store)) {}

  const std::shared_ptr<const RowAxis>& rows() const { return rows_; }
  ColumnStore& store() const { return *store_; }

  std::string_view name() const override { return "column"; }
  std::string attributes() const override { return rows_->table + "." + name_; }
  void identify(Fingerprint& hash) const override;
  bool same_on_this_rank(const Operator& other) const override;
  std::string label() const override { return name_; }
  bool is_finite(std::span<const Expr>) const override { return store_->is_finite; }
  Shape infer_shape(std::span<const Expr>) const override;
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr&, const Expr&, std::size_t) const override { return {}; }
  Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const override;
  View lower(const Node& node, Lowering& lowering) const override;

 private:
  std::string name_;
  std::shared_ptr<const RowAxis> rows_;
  std::shared_ptr<ColumnStore> store_;
};

}  // namespace allgrad
