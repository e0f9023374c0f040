#include "allgrad/covariance.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "allgrad/error.hpp"
#include "base/eigensystem.hpp"
#include "uncertainty/positive_definite.hpp"

namespace allgrad {

xt::xtensor<double, 2> ErrorEllipse::points(std::size_t num_points, SourceLocation where) const {
  if (num_points < 2) {
    throw ArgumentError(
        fmt::format("points: expected at least 2 points, got {}; more make a smoother curve", num_points), where);
  }
  auto result = xt::xtensor<double, 2>::from_shape({num_points, 2});
  const double c = std::cos(angle), s = std::sin(angle);
  for (std::size_t k = 0; k < num_points; ++k) {
    const std::size_t turn = k + 1 == num_points ? 0 : k;  // closed to the bit
    const double phase = 2.0 * std::numbers::pi * static_cast<double>(turn) / static_cast<double>(num_points - 1);
    const double along = semi_axes[0] * std::cos(phase), across = semi_axes[1] * std::sin(phase);
    result(k, 0) = center[0] + c * along - s * across;
    result(k, 1) = center[1] + s * along + c * across;
  }
  return result;
}

xt::xtensor<double, 1> Covariance::errors() const {
  auto result = xt::xtensor<double, 1>::from_shape({values.size()});
  for (std::size_t i = 0; i < values.size(); ++i) result(i) = std::sqrt(matrix(i, i));
  return result;
}

xt::xtensor<double, 2> Covariance::correlations() const {
  xt::xtensor<double, 2> result = matrix;
  const auto error = errors();
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t k = 0; k < values.size(); ++k) {
      if (!frozen[i] && !frozen[k]) result(i, k) = i == k ? 1.0 : result(i, k) / (error(i) * error(k));
    }
  }
  return result;
}

std::size_t Covariance::index(std::string_view name, SourceLocation where) const {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) {
    throw ArgumentError(
        fmt::format("expected the name of a parameter, one of {}, got {}", fmt::join(names, ", "), name), where);
  }
  return static_cast<std::size_t>(found - names.begin());
}

ErrorEllipse Covariance::error_ellipse(std::size_t i, std::size_t j, double num_sigma, SourceLocation where) const {
  const std::size_t ndim = values.size();
  const auto refuse = [&](const std::string& text) { throw ArgumentError("error_ellipse: " + text, where); };
  if (i >= ndim || j >= ndim || i == j) {
    refuse(fmt::format("expected two of the {} parameters, got numbers {} and {}; number them from 0", ndim, i, j));
  }
  for (const std::size_t k : {i, j}) {
    if (frozen[k]) refuse(fmt::format("expected parameters that are free, got {}, which is frozen", names[k]));
  }
  if (!(std::isfinite(num_sigma) && num_sigma > 0.0)) {
    refuse(fmt::format("expected a finite num_sigma above 0, got {}", num_sigma));
  }
  Eigen::Matrix2d part;
  part << matrix(i, i), matrix(i, j), matrix(j, i), matrix(j, j);
  const Eigensystem eigen = eigensystem(part);
  const auto semi_axis = [&](Eigen::Index k) { return num_sigma * std::sqrt(std::max(eigen.values(k), 0.0)); };
  const Eigen::Vector2d longer = eigen.vectors.col(1) * (eigen.vectors(0, 1) < 0.0 ? -1.0 : 1.0);
  return {.center = {values(i), values(j)},
          .semi_axes = {semi_axis(1), semi_axis(0)},
          .angle = std::atan2(longer(1), longer(0))};
}

ErrorEllipse Covariance::error_ellipse(std::string_view first, std::string_view second, double num_sigma,
                                       SourceLocation where) const {
  return error_ellipse(index(first, where), index(second, where), num_sigma, where);
}

std::string Covariance::str() const {
  std::size_t width = 0;
  std::vector<std::string> labels = names;
  for (std::size_t i = 0; i < std::min(labels.size(), units.size()); ++i) {
    if (!units[i].empty()) labels[i] += fmt::format(" [{}]", units[i]);
  }
  for (const std::string& label : labels) width = std::max(width, label.size());
  const auto error = errors();
  const auto correlation = correlations();
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += fmt::format("{}{:>{}} = {:>12.6g} ", i == 0 ? "" : "\n", labels[i], width, values(i));
    if (frozen[i]) {
      text += "frozen";
      continue;
    }
    text += fmt::format("+- {:<9.3g}", error(i));
    for (std::size_t k = 0; k < i; ++k) {
      if (!frozen[k]) text += fmt::format(" {:6.3f}", correlation(i, k));
    }
    while (text.back() == ' ') text.pop_back();
    if (std::ranges::find(at_bounds, names[i]) != at_bounds.end()) text += "   on a bound";
  }
  if (distance > 0.01 * errordef) {
    text += fmt::format("\nnot a minimum: the loss would still fall by {:.3g}, with errors for a rise of {}", distance,
                        errordef);
  }
  return text;
}

}  // namespace allgrad
