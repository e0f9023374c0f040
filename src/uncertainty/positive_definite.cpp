#include "uncertainty/positive_definite.hpp"

#include <limits>

#include "base/eigensystem.hpp"

namespace allgrad {

Eigen::MatrixXd symmetric(std::span<const double> values, std::size_t n) {
  const auto size = static_cast<Eigen::Index>(n);
  const Eigen::Map<const RowMajorMatrix> matrix(values.data(), size, size);
  return 0.5 * (matrix + matrix.transpose());
}

std::optional<Eigen::MatrixXd> positive_inverse(const Eigen::MatrixXd& matrix) {
  if (!(matrix.diagonal().array() > 0.0).all()) return std::nullopt;
  const Eigen::VectorXd scale = matrix.diagonal().array().rsqrt();
  const Eigen::MatrixXd scaled = scale.asDiagonal() * matrix * scale.asDiagonal();
  const Eigensystem eigen = eigensystem(scaled);
  const double rounding = 10.0 * static_cast<double>(matrix.rows()) * std::numeric_limits<double>::epsilon();
  if (!eigen.has_converged || eigen.values(0) <= rounding) return std::nullopt;
  const Eigen::MatrixXd vectors = scale.asDiagonal() * eigen.vectors;
  const Eigen::MatrixXd inverse = vectors * eigen.values.cwiseInverse().asDiagonal() * vectors.transpose();
  return 0.5 * (inverse + inverse.transpose());  // symmetric to the last bit
}

}  // namespace allgrad
