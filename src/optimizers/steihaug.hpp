#pragma once

#include <Eigen/Dense>
#include <functional>

namespace allgrad {

/// A curvature by its products with vectors.
using HessianProduct = std::function<Eigen::VectorXd(const Eigen::VectorXd& vector)>;

/// A step of at most `radius` that lowers the quadratic model of a gradient and a curvature at least as much as the
/// best one along the gradient: by conjugate gradients, to where the model's gradient is a tenth or less of what it
/// was, to the radius, or along a direction of negative curvature. Steihaug 1983. Takes at most as many products as
/// there are variables.
Eigen::VectorXd steihaug_step(const Eigen::VectorXd& gradient, const HessianProduct& product, double radius);

}  // namespace allgrad
