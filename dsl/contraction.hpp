#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dsl/call_operator.hpp"

namespace allgrad {

/// A letter for each axis of a value, each once.
using Letters = std::string;

inline constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a contraction adds up: in derivatives, products that are 0 where a factor is, whatever the other is.
enum class Terms { products, safe_products };

/// The sum of products of two values that are not per row, over the letters that the result lacks. Letters of an
/// operand are in the other operand or in the result.
class Contraction final : public CallOperator {
 public:
  Contraction(Letters x, Letters y, Letters result, Terms terms)
      : x_(std::move(x)), y_(std::move(y)), result_(std::move(result)), terms_(terms) {}

  std::string_view name() const override { return "contraction"; }
  std::string attributes() const override {
    return x_ + "," + y_ + "->" + result_ + (terms_ == Terms::products ? "" : ", safe");
  }
  void identify(Fingerprint& hash) const override;
  Shape infer_shape(std::span<const Expr> operands) const override;
  Linearity linearity() const override { return Linearity::each; }
  Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const override;
  Expr tangent(const Expr& node, std::span<const Expr> tangents) const override;
  void call(const Node& node, const CallArguments& arguments) const override;

 protected:
  bool adds() const override { return true; }

 private:
  Letters x_, y_, result_;
  Terms terms_;
};

/// A value with a letter for each axis.
struct Labelled {
  Expr expr;
  Letters letters;
};

/// The sum of products over the letters that `result` lacks, whose letters are all in an operand. An axis of length 1
/// stretches. New nodes are at the line of the NodeOrigin at hand.
Expr contract(std::vector<Labelled> operands, const Letters& result, Terms terms = Terms::products);

/// The length of an axis, for messages.
std::string length_text(const Extent& extent);

/// The product of matrices, or vectors, in the last two axes; those before broadcast.
Expr matrix_product(const Expr& x, const Expr& y, Terms terms);

}  // namespace allgrad
