// dot, matmul, outer and tensordot: letters for the axes of operands and result, for `contract`.
#include "allgrad/contractions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "dsl/contraction.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

[[noreturn]] void refuse_contraction(std::string_view function, const Operand& x, const Operand& y,
                                     const std::string& why) {
  throw ExpressionError(
      fmt::format("{}({}, {}): {}", function, to_string(x.expr().shape()), to_string(y.expr().shape()), why),
      x.where());
}

void require_equal(std::string_view function, const Operand& x, std::size_t x_axis, const Operand& y,
                   std::size_t y_axis) {
  const Extent &a = x.expr().shape()[x_axis], &b = y.expr().shape()[y_axis];
  if (a == b) return;
  refuse_contraction(
      function, x, y,
      fmt::format("axis {} of the first operand, of length {}, and axis {} of the second, of length {}, are to be "
                  "summed over together; they must be equally long",
                  x_axis, length_text(a), y_axis, length_text(b)));
}

/// Sums over pairs of axes; those that are left of x come before those of y.
Expr sum_of_pairs(std::string_view function, const Operand& x, const Operand& y, const std::vector<std::size_t>& x_axes,
                  const std::vector<std::size_t>& y_axes) {
  const std::size_t x_ndim = x.expr().ndim(), y_ndim = y.expr().ndim();
  Letters x_letters(alphabet.substr(0, x_ndim)), y_letters(alphabet.substr(x_ndim, y_ndim)), result = x_letters;
  for (std::size_t i = 0; i < x_axes.size(); ++i) {
    require_equal(function, x, x_axes[i], y, y_axes[i]);
    y_letters[y_axes[i]] = x_letters[x_axes[i]];
    std::erase(result, x_letters[x_axes[i]]);
  }
  for (std::size_t axis = 0; axis < y_ndim; ++axis) {
    if (std::ranges::find(y_axes, axis) == y_axes.end()) result += y_letters[axis];
  }
  const NodeOrigin origin(x.where(), false);
  return contract({{x.expr(), x_letters}, {y.expr(), y_letters}}, result);
}

}  // namespace

Expr matrix_product(const Expr& x, const Expr& y, Terms terms) {
  const std::size_t x_batch = x.ndim() < 2 ? 0 : x.ndim() - 2, y_batch = y.ndim() < 2 ? 0 : y.ndim() - 2;
  const std::size_t batch = std::max(x_batch, y_batch);
  const Letters shared(alphabet.substr(0, batch));
  Letters x_letters = shared.substr(batch - x_batch), y_letters = shared.substr(batch - y_batch), result = shared;
  if (x.ndim() >= 2) x_letters += 'x', result += 'x';
  x_letters += 'z', y_letters += 'z';
  if (y.ndim() >= 2) y_letters += 'y', result += 'y';
  return contract({{x, x_letters}, {y, y_letters}}, result, terms);
}

Expr dot(const Operand& x, const Operand& y) {
  const std::size_t x_ndim = x.expr().ndim(), y_ndim = y.expr().ndim();
  if (x_ndim == 0 || y_ndim == 0) return multiply(x, y);
  return sum_of_pairs("dot", x, y, {x_ndim - 1}, {y_ndim < 2 ? 0 : y_ndim - 2});
}

Expr matmul(const Operand& x, const Operand& y) {
  const std::size_t x_ndim = x.expr().ndim(), y_ndim = y.expr().ndim();
  if (x_ndim == 0 || y_ndim == 0) {
    refuse_contraction("matmul", x, y, "a single number is no matrix; use * for products with it");
  }
  require_equal("matmul", x, x_ndim - 1, y, y_ndim < 2 ? 0 : y_ndim - 2);
  const auto batch = [](const Shape& shape) {
    return Shape(shape.begin(), shape.size() < 2 ? shape.begin() : shape.end() - 2);
  };
  try {
    broadcast(batch(x.expr().shape()), batch(y.expr().shape()));
  } catch (const ExpressionError& error) {
    refuse_contraction("matmul", x, y, fmt::format("of the axes before the last two, {}", error.what()));
  }
  const NodeOrigin origin(x.where(), false);
  return matrix_product(x.expr(), y.expr(), Terms::products);
}

Expr outer(const Operand& x, const Operand& y) {
  if (x.expr().ndim() != 1 || y.expr().ndim() != 1) {
    refuse_contraction("outer", x, y,
                       "expected two vectors; ravel makes one of an array, tensordot(x, y, 0) takes any shapes");
  }
  return sum_of_pairs("outer", x, y, {}, {});
}

Expr tensordot(const Operand& x, const Operand& y, std::size_t axes) {
  const std::size_t x_ndim = x.expr().ndim(), y_ndim = y.expr().ndim();
  if (axes > x_ndim || axes > y_ndim) {
    refuse_contraction("tensordot", x, y,
                       fmt::format("expected at most as many axes to sum over as both have, got {}", axes));
  }
  std::vector<std::size_t> x_axes, y_axes;
  for (std::size_t i = 0; i < axes; ++i) {
    x_axes.push_back(x_ndim - axes + i);
    y_axes.push_back(i);
  }
  return sum_of_pairs("tensordot", x, y, x_axes, y_axes);
}

Expr tensordot(const Operand& x, const Operand& y, const Axes& x_axes, const Axes& y_axes) {
  if (x_axes.all() || y_axes.all() || x_axes.values().size() != y_axes.values().size()) {
    refuse_contraction("tensordot", x, y, "expected as many axes of the first operand as of the second");
  }
  const auto normalized = [&](const Axes& axes, std::size_t ndim) {
    std::vector<std::size_t> result;
    try {
      for (const Position& axis : axes.values()) result.push_back(normalize_axis(axis, ndim));
    } catch (const ExpressionError& error) {
      refuse_contraction("tensordot", x, y, error.what());
    }
    std::vector<std::size_t> sorted = result;
    std::ranges::sort(sorted);
    if (std::ranges::adjacent_find(sorted) != sorted.end()) {
      refuse_contraction("tensordot", x, y, "name each axis once");
    }
    return result;
  };
  return sum_of_pairs("tensordot", x, y, normalized(x_axes, x.expr().ndim()), normalized(y_axes, y.expr().ndim()));
}

}  // namespace allgrad
