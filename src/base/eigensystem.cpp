#include "base/eigensystem.hpp"

#include <Eigen/Eigenvalues>

namespace allgrad {

Eigensystem eigensystem(const Eigen::MatrixXd& symmetric) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(symmetric);
  return {solver.eigenvalues(), solver.eigenvectors(), solver.info() == Eigen::Success};
}

}  // namespace allgrad
