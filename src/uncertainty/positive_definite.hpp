#pragma once

#include <Eigen/Dense>
#include <optional>
#include <span>

namespace allgrad {

using RowMajorMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// The n x n matrix, row by row, made symmetric.
Eigen::MatrixXd symmetric(std::span<const double> values, std::size_t n);

/// The inverse of a symmetric matrix; nothing where it is not positive definite, to rounding. Rows and columns are
/// scaled to a diagonal of 1 first, so that units do not matter.
std::optional<Eigen::MatrixXd> positive_inverse(const Eigen::MatrixXd& matrix);

}  // namespace allgrad
