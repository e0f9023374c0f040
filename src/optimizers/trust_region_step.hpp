#pragma once

#include <Eigen/Dense>

#include "allgrad/params.hpp"
#include "optimizers/steihaug.hpp"

namespace allgrad {

/// A loss to second order about a point: gradient . step + 1/2 step . curvature step.
struct QuadraticModel {
  Eigen::VectorXd gradient;
  Eigen::MatrixXd curvature;

  Eigen::VectorXd product(const Eigen::VectorXd& step) const { return curvature * step; }
};

/// The same without a matrix.
struct ProductModel {
  Eigen::VectorXd gradient;
  HessianProduct product;
};

/// By how much either model changes on a step.
double change(const auto& model, const Eigen::VectorXd& step) {
  return model.gradient.dot(step) + 0.5 * step.dot(model.product(step));
}

/// The step of at most `radius` that minimizes a model: More, Sorensen 1983, by eigenvalues.
Eigen::VectorXd minimizing_step(const QuadraticModel& model, double radius);

struct BoundedStep {
  Eigen::VectorXd step;
  bool meets_radius;  ///< so that with a larger one it would be another
};

/// A step of at most `radius` from `at`, which is within the bounds, that lowers the model and keeps to the bounds: on
/// the way along minimizing_step, or steihaug_step, the first bound that it meets holds its variable, and it goes on by
/// the others. Where each part of the way costs products, it ends after a few.
BoundedStep bounded_step(const QuadraticModel& model, const Eigen::VectorXd& at, const Bounds& bounds, double radius);
BoundedStep bounded_step(const ProductModel& model, const Eigen::VectorXd& at, const Bounds& bounds, double radius);

/// The gradient, with 0 for variables on a bound that the loss falls towards.
Eigen::VectorXd projected_gradient(const Eigen::VectorXd& gradient, const Eigen::VectorXd& at, const Bounds& bounds);

/// The variables that are not held at a bound that the loss falls towards.
std::vector<Eigen::Index> free_variables(const Eigen::VectorXd& gradient, const Eigen::VectorXd& at,
                                         const Bounds& bounds);

}  // namespace allgrad
