#include "optimizers/steihaug.hpp"

#include <algorithm>
#include <cmath>

namespace allgrad {

namespace {

/// From `step`, which is inside, along `direction` to the radius.
Eigen::VectorXd to_radius(const Eigen::VectorXd& step, const Eigen::VectorXd& direction, double radius) {
  const double a = direction.squaredNorm(), b = step.dot(direction), c = radius * radius - step.squaredNorm();
  const double root = std::sqrt(std::max(b * b + a * c, 0.0));
  return step + (b > 0.0 ? c / (b + root) : (root - b) / a) * direction;  // without cancellation
}

}  // namespace

Eigen::VectorXd steihaug_step(const Eigen::VectorXd& gradient, const HessianProduct& product, double radius) {
  const double size = gradient.lpNorm<Eigen::Infinity>();
  Eigen::VectorXd step = Eigen::VectorXd::Zero(gradient.size());
  if (!(size > 0.0)) return step;
  Eigen::VectorXd residual = gradient / size, direction = -residual;  // in a unit in which no square underflows
  const double start = residual.norm();
  const double tolerance = std::min(0.1, std::sqrt(size * start)) * start;
  for (Eigen::Index i = 0; i < gradient.size(); ++i) {
    const Eigen::VectorXd change = product(direction) / size;
    const double curvature = direction.dot(change), square = residual.squaredNorm();
    if (!change.allFinite() || !(curvature > 0.0)) return to_radius(step, direction, radius);
    const double length = square / curvature;
    const Eigen::VectorXd next = step + length * direction;
    if (!(next.norm() < radius)) return to_radius(step, direction, radius);
    step = next;
    residual += length * change;
    if (residual.norm() <= tolerance) break;
    direction = residual.squaredNorm() / square * direction - residual;
  }
  return step;
}

}  // namespace allgrad
