#include "dsl/matrices.hpp"

#include <fmt/format.h>

#include <xtensor/xbuilder.hpp>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "dsl/contraction.hpp"
#include "dsl/reshape.hpp"
#include "dsl/slice.hpp"

namespace allgrad {

namespace {

/// 1 where keep(row, column), else 0.
template <class Keep>
Expr mask(std::size_t n, Keep keep) {
  Array result = Array::from_shape({n, n});
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) result(i, j) = keep(i, j) ? 1.0 : 0.0;
  }
  return constant(std::move(result));
}

Expr identity_mask(std::size_t n) {
  return mask(n, [](std::size_t i, std::size_t j) { return i == j; });
}

}  // namespace

void require_square(const Shape& shape) {
  const std::size_t ndim = shape.size();
  const auto is_lane = [&](std::size_t from_end) { return !shape[ndim - from_end].is_rows(); };
  if (ndim >= 2 && is_lane(1) && is_lane(2) && shape[ndim - 1] == shape[ndim - 2] && shape[ndim - 1].length > 0) return;
  throw ExpressionError(
      fmt::format("expected square matrices in the last two axes, [.., n, n], got shape {}", to_string(shape)));
}

Expr safe_matmul(const Expr& x, const Expr& y) { return matrix_product(x, y, Terms::safe_products); }

Expr matrix_transpose(const Expr& x) { return swapaxes(x, -1, -2); }

Expr symmetric_part(const Expr& x) { return 0.5 * (x + matrix_transpose(x)); }

Expr triangle(const Expr& x, bool lower, double diagonal) {
  const std::size_t n = x.shape().back().length;
  const Expr kept = where(mask(n, [&](std::size_t i, std::size_t j) { return lower ? j <= i : j >= i; }), x, 0.0);
  return diagonal == 1.0 ? kept : kept * where(identity_mask(n), diagonal, 1.0);
}

Expr diagonal(const Expr& x) {  // each n + 1 of all elements
  const std::size_t n = x.shape().back().length;
  Shape shape(x.shape().begin(), x.shape().end() - 2);
  shape.emplace_back(n * n);
  const std::ptrdiff_t step = n == 1 ? 1 : static_cast<std::ptrdiff_t>(n + 1);
  const AxisSlice slice{shape.size() - 1, 0, step, n, n * n};
  return make_node(std::make_shared<const SliceAxis>(slice), {reshaped(x, shape)}, x.node()->where);
}

Expr diagonal_matrix(const Expr& x) { return where(identity_mask(x.shape().back().length), expand_dims(x, -1), 0.0); }

}  // namespace allgrad
