#pragma once

#include "allgrad/expr.hpp"

namespace allgrad {

// Small dense linear algebra, as named in NumPy and SciPy and computed by Eigen. The last two axes are rows and columns
// of matrices; the axes before them broadcast, the row axis among them, so that a value per row may hold a matrix or a
// vector for each row. All throw ExpressionError for shapes that do not fit, and for an empty Expr. Adjoints:
// M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008);
// of cholesky: I. Murray, arXiv:1602.07527.

/// The lower triangular L with L L^T = a, of symmetric positive definite matrices a [.., n, n], of which the symmetric
/// part is taken; zeros above the diagonal. NaN for a matrix that is not positive definite.
/// In Python: numpy.linalg.cholesky.
Expr cholesky(const Operand& a);

/// x with a x = b, for square matrices a [.., n, n]. b has one axis beside the row axis, [n], and so has x; or it holds
/// matrices [.., n, m]. Infinite or NaN where a is singular.
/// In Python: numpy.linalg.solve.
Expr solve(const Operand& a, const Operand& b);

/// As solve, of triangular matrices; what lies above the diagonal, or below it without `lower`, is not read.
/// In Python: scipy.linalg.solve_triangular.
Expr solve_triangular(const Operand& a, const Operand& b, bool lower = false);

/// Logarithm of the determinant of symmetric positive definite matrices, [.., n, n] to [..]; NaN for a matrix that is
/// not positive definite.
/// In Python: numpy.linalg.slogdet(a)[1].
Expr logdet(const Operand& a);

/// Inverse of square matrices [.., n, n]. To apply it, `solve` is more accurate.
/// In Python: numpy.linalg.inv.
Expr inv(const Operand& a);

/// Eigenvalues of symmetric matrices, of which the symmetric part is taken, in increasing order, [.., n, n] to [.., n].
/// Where eigenvalues are equal, the gradient is that of one of their orders.
/// In Python: numpy.linalg.eigvalsh.
Expr eigvalsh(const Operand& a);

/// Logarithm of the density of normal distributions at x [.., n], with mean [.., n] and covariance [.., n, n]. NaN for
/// a covariance that is not positive definite.
/// In Python: scipy.stats.multivariate_normal.logpdf.
Expr multivariate_normal_logpdf(const Operand& x, const Operand& mean, const Operand& covariance);

}  // namespace allgrad
