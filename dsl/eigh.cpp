// eigh: symmetric a [.., n, n] -> eigenvalues w and eigenvectors v. With g[i, j] = 1 / (w[j] - w[i]), or 0 where these
// are equal: adjoint, the symmetric part of v (diag(cotangent of w) + g * (v^T cotangent of v)) v^T; tangent with
// c = v^T tangent v: the diagonal of c, and v (g * c).
#include "dsl/eigh.hpp"

#include <limits>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "base/eigensystem.hpp"
#include "dsl/elementwise.hpp"
#include "dsl/matrices.hpp"

namespace allgrad {

namespace {

Expr eigenvalues(const Expr& both) { return view(both, ellipsis(), 0, all()); }
Expr eigenvectors(const Expr& both) { return view(both, ellipsis(), range(1, Range::end), all()); }

Expr inverse_gaps(const Expr& both) {
  const Expr values = eigenvalues(both);
  const Expr gaps = expand_dims(values, -2) - expand_dims(values, -1);
  const Expr is_gap = not_equal(gaps, 0.0);
  return where(is_gap, 1.0 / where(is_gap, gaps, 1.0), 0.0);
}

}  // namespace

Shape Eigh::infer_shape(std::span<const Expr> operands) const {
  Shape shape = operands[0].shape();
  require_square(shape);
  shape[shape.size() - 2] = Extent(shape.back().length + 1);
  return shape;
}

Expr Eigh::adjoint(const Expr& node, const Expr& cotangent, std::size_t) const {
  const Expr vectors = eigenvectors(node), transposed = matrix_transpose(vectors);
  const Expr turned = chain(inverse_gaps(node), safe_matmul(transposed, eigenvectors(cotangent)));
  const Expr inner = diagonal_matrix(eigenvalues(cotangent)) + turned;
  return symmetric_part(safe_matmul(safe_matmul(vectors, inner), transposed));
}

Expr Eigh::tangent(const Expr& node, std::span<const Expr> tangents) const {
  const Expr vectors = eigenvectors(node);
  const Expr change = safe_matmul(safe_matmul(matrix_transpose(vectors), tangents[0]), vectors);
  return concatenate({expand_dims(diagonal(change), -2), safe_matmul(vectors, chain(inverse_gaps(node), change))}, -2);
}

void Eigh::call(const Node& node, const CallArguments& arguments) const {
  for_each_matrix<1>(node, arguments, [](MatrixView out, const MatrixView& a) {
    if (!a.allFinite()) {
      out.setConstant(std::numeric_limits<double>::quiet_NaN());
      return;
    }
    const Eigensystem eigen = eigensystem(a);
    if (!eigen.has_converged) {
      out.setConstant(std::numeric_limits<double>::quiet_NaN());
      return;
    }
    out.row(0) = eigen.values;
    out.bottomRows(a.rows()) = eigen.vectors;
  });
}

}  // namespace allgrad
