#pragma once

#include <Eigen/Core>

namespace allgrad {

/// Of a symmetric matrix, n x n, the eigenvalues in increasing order, and their vectors of length 1 as columns.
struct Eigensystem {
  Eigen::VectorXd values;
  Eigen::MatrixXd vectors;
  bool has_converged;
};

/// Reads the lower triangle. Compiled once, since Eigen's solver takes seconds.
Eigensystem eigensystem(const Eigen::MatrixXd& symmetric);

}  // namespace allgrad
