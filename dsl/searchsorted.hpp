#pragma once

#include "allgrad/lookup.hpp"
#include "dsl/call_operator.hpp"

namespace allgrad {

/// How many elements of the last axis are below a value: sorted [.., n] and x, which broadcasts with its other axes.
class SearchSorted final : public CallOperator {
 public:
  explicit SearchSorted(Side side) : side_(side) {}

  std::string_view name() const override { return "searchsorted"; }
  std::string attributes() const override { return side_ == Side::left ? "side=left" : "side=right"; }
  void identify(Fingerprint& hash) const override;
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::none; }
  Expr adjoint(const Expr&, const Expr&, std::size_t) const override { return {}; }
  Expr tangent(const Expr&, std::span<const Expr>) const override { return {}; }
  void call(const Node& node, const CallArguments& arguments) const override;

 private:
  Side side_;
};

}  // namespace allgrad
