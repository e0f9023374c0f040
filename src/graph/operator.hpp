#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <vector>

#include "allgrad/expr.hpp"
#include "graph/lowering.hpp"
#include "graph/node.hpp"

namespace allgrad {

class Evaluation;
class Fingerprint;

/// In which operands an operator is linear; placement follows from it. A sum of shares can pass through an operator
/// that is linear in it, and needs to be totalled before any other.
enum class Linearity {
  none,     ///< in no operand
  jointly,  ///< f(a + b, c + d) = f(a, c) + f(b, d)
  each,     ///< in each operand while the others are held
  first,    ///< in the first operand while the others are held
  tail,     ///< jointly in all operands but the first
};

/// What an operation means: one class per kind of operator, with its rules, its adjoint and its execution. Operators
/// are immutable; attributes (an axis, a shape) are members.
class Operator {
 public:
  virtual ~Operator() = default;

  virtual std::string_view name() const = 0;

  /// What else there is to know of a use of the operator, as it is printed: "axis=0".
  virtual std::string attributes() const { return {}; }

  /// Adds to the hash all that tells two operators of this name apart. Nodes of equal operators, operands and shapes
  /// become one.
  virtual void identify(Fingerprint& hash) const = 0;

  /// Of two operators of one fingerprint: false where they compute different things, which a hash that is the same on
  /// every rank cannot tell, such as functions of the user's.
  virtual bool same_on_this_rank(const Operator&) const { return true; }

  /// A hash of the name and of what identifies the operator, the same on every rank.
  std::uint64_t fingerprint() const;

  /// A short value shown in graphs in place of name and attributes, as for a constant; empty for most.
  virtual std::string label() const { return {}; }

  /// True for a constant of zeros. Zero is its own share, so it stands beside partial values without a total.
  virtual bool is_zero() const { return false; }

  /// True where ranks exchange a message.
  virtual bool is_collective() const { return false; }

  /// False where a row of the value may depend on other rows of an operand per row.
  virtual bool works_by_rows() const { return true; }

  /// False where the value may be infinite or NaN though parameters are finite, but by overflow of sums and products:
  /// by default, where an operand may.
  virtual bool is_finite(std::span<const Expr> operands) const;

  /// Shape of the result. Throws ExpressionError (without a line, which make_node adds) where there is none.
  virtual Shape infer_shape(std::span<const Expr> operands) const = 0;

  virtual Linearity linearity() const = 0;

  /// Placement of the result, by default from the linearity.
  virtual Placement infer_placement(std::span<const Expr> operands, const Shape& shape) const;

  /// The cotangent of operand `k`, given the node's own. It may have more or longer axes than the operand; the
  /// differentiation sums over these. An empty Expr is a derivative that is zero by design. Throws ExpressionError
  /// where the operator has no derivative. Not asked of operators that are made when the derivatives are there.
  virtual Expr adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const;

  /// The tangent of the node, given those of its operands, empty where one does not change. It may lack axes along which
  /// it is the same; an empty Expr is zero by design. Not asked of operators that are linear in all operands jointly:
  /// these are applied to the tangents, unless they are elementwise.
  virtual Expr tangent(const Expr& node, std::span<const Expr> tangents) const;

  /// False where `tangent` throws.
  virtual bool has_tangent() const { return true; }

  /// For the reference executor: the value from those of the operands, whole arrays with this rank's rows.
  virtual Array evaluate(const Node& node, std::span<const Array* const> operands, Evaluation& evaluation) const = 0;

  /// For the tiled executor: emits instructions, or makes a view; returns where the value lies.
  virtual View lower(const Node& node, Lowering& lowering) const = 0;

  /// What Lowering::emit_call runs: computes the value, or adds to it where that was made by Lowering::zeros.
  virtual void call(const Node& node, const CallArguments& arguments) const;

 protected:
  Operator() = default;
  Operator(const Operator&) = default;
  Operator& operator=(const Operator&) = default;
};

/// The operator of a node if it is of class Op, else null.
template <class Op>
const Op* as(const Expr& expr) {
  const Operator* op = expr.node()->op.get();
  if constexpr (std::is_final_v<Op>) {
    return typeid(*op) == typeid(Op) ? static_cast<const Op*>(op) : nullptr;
  } else {
    return dynamic_cast<const Op*>(op);
  }
}

/// What an evaluation by the reference executor provides beside the operands.
class Evaluation {
 public:
  virtual ~Evaluation() = default;
  /// The value of an input, in row-major order.
  virtual std::span<const double> input(std::string_view name) const = 0;
  virtual Array allreduce(const Array& partial) = 0;
};

/// Shape of a value on this rank: its row axis has this rank's number of rows.
std::vector<std::size_t> local_shape(const Shape& shape);

}  // namespace allgrad
