#pragma once

#include <span>

#include "optimizers/point.hpp"

namespace allgrad {

/// What a line search meets on its way from an iterate, and what it is told of points where the loss is not finite.
class LineSearch {
 public:
  /// The search starts: `first_trial` is where it would go if nothing stopped it.
  void start(const Point& iterate, std::span<const double> first_trial);

  /// The trial point is finite.
  void pass() { in_a_row_ = 0; }

  /// The trial point is not finite: gives it a loss and a gradient from which a line search steps back.
  ///
  /// Both lie on a parabola along the step p that has the iterate's loss and slope, and its minimum at the 2^-(k+1)-th
  /// part of the step when this is the k-th such point in a row. So the search interpolates to just there:
  ///   loss = loss_0 + (2^k - 1) |g_0 . p|,  gradient = -(2^(k+1) - 1) g_0
  /// The loss is above the iterate's, which no line search accepts.
  void step_back(const Point& iterate, Point& trial);

  /// Whether it met a point that is not finite.
  bool met_wall() const { return met_wall_; }

  /// The decrease that the first trial point promised to first order.
  double promise() const { return promise_; }

  void fields(Archive& archive) { archive(in_a_row_, met_wall_, promise_); }

 private:
  int in_a_row_ = 0;
  bool met_wall_ = false;
  double promise_ = 0.0;
};

}  // namespace allgrad
