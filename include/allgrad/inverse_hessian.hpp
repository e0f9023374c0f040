#pragma once

#include <cstddef>
#include <vector>
#include <xtensor/xtensor.hpp>

#include "allgrad/param_values.hpp"
#include "allgrad/source_location.hpp"

namespace allgrad {

/// What L-BFGS-B has learned of the inverse of the Hessian of the loss, [ndim, ndim], from the last steps of its path.
/// Rows and columns of frozen parameters are 0.
///
/// It is a quasi-Newton estimate, which starts from a multiple of the unit matrix (in params / scale) and gets better
/// with each iteration along whose step the loss is curved. Where the loss is half of chi^2, the exact inverse Hessian
/// at the minimum would be the covariance of the parameters; take this for its order of magnitude and not as it stands.
class InverseHessian {
 public:
  /// A step along the path, and how the gradient changed by it; each [ndim], in params / scale.
  struct Pair {
    std::vector<double> step;
    std::vector<double> change;
  };

  InverseHessian() = default;

  /// `scale` [ndim]: of the parameters, 0 for those that are frozen. `pairs` from the oldest to the newest.
  InverseHessian(std::vector<double> scale, std::vector<Pair> pairs);

  std::size_t ndim() const { return scale_.size(); }

  /// What it was made of.
  const std::vector<double>& scale() const { return scale_; }
  const std::vector<Pair>& pairs() const { return pairs_; }

  /// Its product with a vector [ndim], by two loops over the pairs: Nocedal and Wright 2006, Numerical Optimization,
  /// algorithm 7.4, with the H_0 of their equation 7.20. Throws ArgumentError for a vector of another length.
  xt::xtensor<double, 1> dot(const ParamValues& vector, SourceLocation where = SourceLocation::current()) const;

  /// All of it, [ndim, ndim].
  xt::xtensor<double, 2> dense() const;

 private:
  std::vector<double> scale_;
  std::vector<Pair> pairs_;
};

}  // namespace allgrad
