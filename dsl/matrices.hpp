#pragma once

#include <Eigen/Dense>
#include <array>

#include "dsl/call_operator.hpp"

namespace allgrad {

/// One of the matrices in the last two axes of a value, where it lies.
using MatrixView = Eigen::Map<Eigen::MatrixXd, Eigen::Unaligned, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;

/// The axes before those of the matrices.
inline Shape batch_of(const Shape& shape) { return Shape(shape.begin(), shape.end() - 2); }

inline MatrixView matrix_at(const CallOperand& x, std::ptrdiff_t offset) {
  const std::size_t ndim = x.lanes.size();
  return {x.data + offset, static_cast<Eigen::Index>(x.lanes[ndim - 2]), static_cast<Eigen::Index>(x.lanes[ndim - 1]),
          Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>(x.strides[ndim - 1], x.strides[ndim - 2])};
}

/// Calls body(out, in...) with the matrices of the result and of the N operands, at each place of the other axes and
/// for each row.
template <std::size_t N, class Body>
void for_each_matrix(const Node& node, const CallArguments& arguments, Body body) {
  const Shape batch = batch_of(node.shape);
  std::array<LaneStrides, N + 1> strides = {strides_along(arguments.out, node.shape, batch, 2)};
  for (std::size_t k = 0; k < N; ++k)
    strides[k + 1] = strides_along(arguments.in[k], node.operands[k].shape(), batch, 2);
  for_each_lane<N + 1>(batch, strides, [&](const auto& at) {
    for (std::size_t row = 0; row < arguments.num_rows; ++row) {
      const auto matrix = [&](const CallOperand& x, std::size_t k) {
        return matrix_at(x, at[k] + static_cast<std::ptrdiff_t>(row) * x.row_stride);
      };
      [&]<std::size_t... K>(std::index_sequence<K...>) {
        body(matrix(arguments.out, 0), static_cast<const MatrixView&>(matrix(arguments.in[K], K + 1))...);
      }
      (std::make_index_sequence<N>());
    }
  });
}

/// The product of matrices [.., n, k] and [.., k, m] in derivatives, to which zeros add 0 whatever they meet.
Expr safe_matmul(const Expr& x, const Expr& y);

/// Throws ExpressionError unless the last two axes are equally long lanes, at least one.
void require_square(const Shape& shape);

/// Axes 0 and 1 of the matrices change places.
Expr matrix_transpose(const Expr& x);

/// The mean of a matrix and its transpose.
Expr symmetric_part(const Expr& x);

/// The elements on and below the diagonal (or above it), others 0; those on the diagonal times `diagonal`.
Expr triangle(const Expr& x, bool lower, double diagonal = 1.0);

/// The elements of the diagonal, [.., n, n] to [.., n].
Expr diagonal(const Expr& x);

/// A matrix of zeros with these elements on its diagonal, [.., n] to [.., n, n].
Expr diagonal_matrix(const Expr& x);

}  // namespace allgrad
