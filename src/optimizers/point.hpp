#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "base/archive.hpp"
#include "base/finite.hpp"
#include "optimizers/aux_record.hpp"

namespace allgrad {

/// A point [ndim] with its loss and what comes with it: the gradient there [ndim], aux values and terms of the loss.
struct Point {
  explicit Point(std::span<const double> at) : params(at.begin(), at.end()), gradient(at.size()) {}

  void fields(Archive& archive) { archive(params, gradient, loss, aux, terms); }

  bool finite() const { return std::isfinite(loss) && all_finite(gradient); }

  std::vector<double> params;
  std::vector<double> gradient;
  double loss = 0.0;
  AuxValues aux, terms;
};

}  // namespace allgrad
