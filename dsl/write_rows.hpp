#pragma once

#include <memory>

#include "dsl/call_operator.hpp"

namespace allgrad {

/// Writes a value per row to memory, the way out of the loops over rows: value, row numbers [rows] -> 0 [], per rank.
/// The numbers lie row by row, each in row-major order without the row axis.
class WriteRows final : public CallOperator {
 public:
  explicit WriteRows(std::shared_ptr<Array> rows) : rows_(std::move(rows)) {}

  std::string_view name() const override { return "write_rows"; }
  void identify(Fingerprint&) const override {}
  bool same_on_this_rank(const Operator& other) const override { return &other == this; }
  Shape infer_shape(std::span<const Expr>) const override { return {}; }
  Linearity linearity() const override { return Linearity::none; }
  Placement infer_placement(std::span<const Expr>, const Shape&) const override { return Placement::per_rank; }
  Expr adjoint(const Expr&, const Expr&, std::size_t) const override { return {}; }
  void call(const Node& node, const CallArguments& arguments) const override;

 protected:
  bool adds() const override { return true; }

 private:
  std::shared_ptr<Array> rows_;  // [rows, ..]
};

}  // namespace allgrad
