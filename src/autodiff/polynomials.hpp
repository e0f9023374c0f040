#pragma once

#include <array>
#include <functional>
#include <optional>

#include "graph/node_map.hpp"

namespace allgrad {

/// Values per row that are polynomials of another one, which they use more than once, as a smoothing kernel is of a
/// distance: one product with the derivative takes the place of those with each derivative on the way. A value is not
/// finite where an operand of sums and products is not, so that the derivative, where the value is finite, needs no
/// safe products.
class Polynomials {
 public:
  struct Polynomial {
    Expr of;
    Expr derivative;
  };

  /// To be called for nodes that vary, operands before users; `varies` is asked of operands.
  void add(const Expr& expr, const std::function<bool(const Expr&)>& varies);

  /// Nothing for what is none, or uses the other value once only.
  std::optional<Polynomial> find(const Expr& expr);

 private:
  /// Of any node that is made of sums and products.
  struct Term {
    Expr of = {};
    std::array<bool, 2> varies = {};  ///< which operands
    bool uses_twice = false;
    std::size_t depth = 0;
    Expr derivative = {};  ///< once it was asked for
  };

  Expr derivative(const Expr& expr);

  NodeMap<Term> terms_;
};

}  // namespace allgrad
