#include "optimizers/trust_region_step.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/eigensystem.hpp"

namespace allgrad {

namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();

bool is_held(double gradient, double at, const Bound& bound) {
  return (at <= bound.low && gradient >= 0.0) || (at >= bound.high && gradient <= 0.0);
}

/// The shift of all eigenvalues with which the step is as long as the radius: by Newton on 1 / length, which is nearly
/// linear in the shift, between bounds.
double find_shift(const Eigen::ArrayXd& eigenvalues, const Eigen::ArrayXd& gradient, double radius, double low) {
  double high = std::max(low, 0.0) + gradient.matrix().norm() / radius + eigenvalues.abs().maxCoeff();
  double shift = 0.5 * (low + high);
  constexpr int most = 200;
  for (int i = 0; i < most && high - low > 4.0 * epsilon * high; ++i) {
    const Eigen::ArrayXd step = gradient / (eigenvalues + shift);
    const double length = step.matrix().norm();
    if (std::abs(length - radius) <= 1e-10 * radius) break;
    (length > radius ? low : high) = shift;
    const double slope = (step.square() / (eigenvalues + shift)).sum();
    const double next = shift + (length / radius - 1.0) * length * length / slope;
    shift = next > low && next < high ? next : 0.5 * (low + high);
  }
  return shift;
}

}  // namespace

Eigen::VectorXd minimizing_step(const QuadraticModel& model, double radius) {
  const double size = std::max(model.gradient.lpNorm<Eigen::Infinity>(), model.curvature.lpNorm<Eigen::Infinity>());
  const double unit = std::ldexp(1.0, size > 0.0 ? std::ilogb(size) : 0);  // in which no square underflows
  const Eigensystem eigen = eigensystem(model.curvature / unit);
  const Eigen::ArrayXd eigenvalues = eigen.values.array();
  const Eigen::ArrayXd gradient = (eigen.vectors.transpose() * (model.gradient / unit)).array();
  const auto back = [&](const Eigen::ArrayXd& step) -> Eigen::VectorXd { return eigen.vectors * step.matrix(); };
  const double rounding = 10.0 * epsilon * eigenvalues.abs().maxCoeff();
  const double lowest = eigenvalues(0);
  if (lowest > rounding) {
    const Eigen::ArrayXd newton = -gradient / eigenvalues;
    if (newton.matrix().norm() <= radius) return back(newton);
  }
  // Without a part along the lowest eigenvalue the step may stay short for every shift: the rest goes along it.
  const double low = std::max(0.0, -lowest);
  const auto is_lowest = eigenvalues <= lowest + rounding;
  const Eigen::ArrayXd shifted = eigenvalues + low;
  const Eigen::ArrayXd rest = is_lowest.select(0.0, -gradient / is_lowest.select(1.0, shifted));
  const double part = is_lowest.select(gradient, 0.0).matrix().norm(), length = rest.matrix().norm();
  constexpr double negligible = 1e-10;
  if (lowest <= rounding && length < radius && part <= negligible * gradient.matrix().norm()) {
    Eigen::ArrayXd step = rest;
    if (lowest < -rounding) step(0) = std::sqrt((radius - length) * (radius + length));
    return back(step);
  }
  const double shift = find_shift(eigenvalues, gradient, radius, low);
  return back(-gradient / (eigenvalues + shift));
}

std::vector<Eigen::Index> free_variables(const Eigen::VectorXd& gradient, const Eigen::VectorXd& at,
                                         const Bounds& bounds) {
  std::vector<Eigen::Index> free;
  for (Eigen::Index i = 0; i < at.size(); ++i) {
    if (!is_held(gradient(i), at(i), bounds[static_cast<std::size_t>(i)])) free.push_back(i);
  }
  return free;
}

Eigen::VectorXd projected_gradient(const Eigen::VectorXd& gradient, const Eigen::VectorXd& at, const Bounds& bounds) {
  Eigen::VectorXd projected = Eigen::VectorXd::Zero(at.size());
  const auto free = free_variables(gradient, at, bounds);
  projected(free) = gradient(free);
  return projected;
}

namespace {

/// The minimizing step by some of the variables alone, from where the gradient by all is `gradient`.
Eigen::VectorXd step_by(const QuadraticModel& model, const Eigen::VectorXd& gradient,
                        const std::vector<Eigen::Index>& free, double radius) {
  return minimizing_step({gradient(free), model.curvature(free, free)}, radius);
}

Eigen::VectorXd step_by(const ProductModel& model, const Eigen::VectorXd& gradient,
                        const std::vector<Eigen::Index>& free, double radius) {
  const auto product = [&](const Eigen::VectorXd& vector) -> Eigen::VectorXd {
    Eigen::VectorXd of_all = Eigen::VectorXd::Zero(gradient.size());
    of_all(free) = vector;
    return model.product(of_all)(free);
  };
  return steihaug_step(gradient(free), product, radius);
}

constexpr int most_parts(const QuadraticModel&) { return std::numeric_limits<int>::max(); }
constexpr int most_parts(const ProductModel&) { return 10; }

template <class Model>
BoundedStep bounded_step_of(const Model& model, const Eigen::VectorXd& at, const Bounds& bounds, double radius) {
  Eigen::VectorXd to = at;
  std::vector<Eigen::Index> free = free_variables(model.gradient, at, bounds);
  double left = radius;
  for (int i = 0; i < most_parts(model) && !free.empty() && left > 0.0; ++i) {
    const Eigen::VectorXd gradient = i == 0 ? model.gradient : Eigen::VectorXd(model.gradient + model.product(to - at));
    const Eigen::VectorXd step = step_by(model, gradient, free, left);
    double part = 1.0;
    std::size_t first = free.size();
    for (std::size_t k = 0; k < free.size(); ++k) {
      const auto& [low, high] = bounds[static_cast<std::size_t>(free[k])];
      const double d = step(static_cast<Eigen::Index>(k)), x = to(free[k]);
      const double room = d < 0.0 ? low - x : high - x;
      if (std::abs(d) * part <= std::abs(room)) continue;
      part = room / d;
      first = k;
    }
    for (std::size_t k = 0; k < free.size(); ++k) {
      const auto& [low, high] = bounds[static_cast<std::size_t>(free[k])];
      to(free[k]) = std::clamp(to(free[k]) + part * step(static_cast<Eigen::Index>(k)), low, high);
    }
    if (first == free.size()) return {to - at, step.norm() >= (1.0 - 1e-6) * left};
    const auto& [low, high] = bounds[static_cast<std::size_t>(free[first])];
    to(free[first]) = step(static_cast<Eigen::Index>(first)) < 0.0 ? low : high;
    free.erase(free.begin() + static_cast<std::ptrdiff_t>(first));
    left -= part * step.norm();
  }
  return {to - at, left <= 0.0};
}

}  // namespace

BoundedStep bounded_step(const QuadraticModel& model, const Eigen::VectorXd& at, const Bounds& bounds, double radius) {
  return bounded_step_of(model, at, bounds, radius);
}

BoundedStep bounded_step(const ProductModel& model, const Eigen::VectorXd& at, const Bounds& bounds, double radius) {
  return bounded_step_of(model, at, bounds, radius);
}

}  // namespace allgrad
