#include "allgrad/inverse_hessian.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <span>
#include <utility>

#include "allgrad/error.hpp"

namespace allgrad {

namespace {

double dot_product(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// v += factor * direction
void add(std::vector<double>& v, double factor, const std::vector<double>& direction) {
  for (std::size_t i = 0; i < v.size(); ++i) v[i] += factor * direction[i];
}

}  // namespace

InverseHessian::InverseHessian(std::vector<double> scale, std::vector<Pair> pairs)
    : scale_(std::move(scale)), pairs_(std::move(pairs)) {}

xt::xtensor<double, 1> InverseHessian::dot(const ParamValues& vector, SourceLocation where) const {
  if (vector.size() != ndim()) {
    throw ArgumentError(fmt::format("InverseHessian: expected a vector of {} numbers, one for each parameter, got {}. "
                                    "Pass as many numbers as there are parameters.",
                                    ndim(), vector.size()),
                        where);
  }
  const std::span<const double> values = vector;
  std::vector<double> r(values.begin(), values.end());
  const auto rescale = [&] { std::ranges::transform(r, scale_, r.begin(), std::multiplies<>()); };

  rescale();
  std::vector<double> alpha(pairs_.size());
  for (std::size_t k = pairs_.size(); k-- > 0;) {
    const auto& [step, change] = pairs_[k];
    alpha[k] = dot_product(step, r) / dot_product(step, change);
    add(r, -alpha[k], change);
  }
  if (!pairs_.empty()) {
    const auto& [step, change] = pairs_.back();
    const double gamma = dot_product(step, change) / dot_product(change, change);
    for (double& value : r) value *= gamma;
  }
  for (std::size_t k = 0; k < pairs_.size(); ++k) {
    const auto& [step, change] = pairs_[k];
    const double beta = dot_product(change, r) / dot_product(step, change);
    add(r, alpha[k] - beta, step);
  }
  rescale();

  xt::xtensor<double, 1> product(std::array{ndim()});
  std::ranges::copy(r, product.begin());
  return product;
}

xt::xtensor<double, 2> InverseHessian::dense() const {
  xt::xtensor<double, 2> matrix(std::array{ndim(), ndim()});
  std::vector<double> unit(ndim(), 0.0);
  for (std::size_t column = 0; column < ndim(); ++column) {
    unit[column] = 1.0;
    const auto product = dot(unit);
    for (std::size_t row = 0; row < ndim(); ++row) matrix(row, column) = product(row);
    unit[column] = 0.0;
  }
  return matrix;
}

}  // namespace allgrad
