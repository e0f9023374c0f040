#pragma once

#include <memory>

#include "dsl/column.hpp"

namespace allgrad {

/// The same value per row [rows, ..], to be kept: compiling replaces it by a column.
class Store final : public Operator {
 public:
  Store() : kept_(std::make_shared<ColumnStore>()) {}

  /// The column, the same in all graphs with the node.
  const std::shared_ptr<ColumnStore>& kept() const { return kept_; }

  std::string_view name() const override { return "store"; }
  void identify(Fingerprint&) const override {}
  Shape infer_shape(std::span<const Expr> operands) const override { return operands[0].shape(); }
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr&, const Expr&, std::size_t) const override { return {}; }
  Expr tangent(const Expr&, std::span<const Expr>) const override { return {}; }
  Array evaluate(const Node&, std::span<const Array* const> operands, Evaluation&) const override {
    return *operands[0];
  }
  View lower(const Node&, Lowering& lowering) const override { return lowering.operand(0); }

 private:
  std::shared_ptr<ColumnStore> kept_;
};

}  // namespace allgrad
