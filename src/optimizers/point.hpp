#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "optimizers/archive.hpp"
#include "optimizers/finite.hpp"

namespace allgrad {

/// A point with its loss and the gradient there; each [ndim].
struct Point {
  explicit Point(std::span<const double> at) : params(at.begin(), at.end()), gradient(at.size()) {}

  void fields(Archive& archive) { archive(params, gradient, loss); }

  bool finite() const { return std::isfinite(loss) && all_finite(gradient); }

  std::vector<double> params;
  std::vector<double> gradient;
  double loss = 0.0;
};

}  // namespace allgrad
