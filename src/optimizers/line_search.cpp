#include "optimizers/line_search.hpp"

#include <algorithm>
#include <cmath>

#include "base/finite.hpp"

namespace allgrad {

namespace {

// |g_0 . p|, where p leads from the iterate to `trial`.
double first_order_decrease(const Point& iterate, std::span<const double> trial) {
  double change = 0.0;
  for (std::size_t i = 0; i < trial.size(); ++i) change += iterate.gradient[i] * (trial[i] - iterate.params[i]);
  return std::abs(change);
}

}  // namespace

void LineSearch::start(const Point& iterate, std::span<const double> first_trial) {
  in_a_row_ = 0;
  met_wall_ = false;
  promise_ = first_order_decrease(iterate, first_trial);
}

void LineSearch::step_back(const Point& iterate, Point& trial) {
  met_wall_ = true;
  ++in_a_row_;
  const double rise = (std::exp2(in_a_row_) - 1.0) * first_order_decrease(iterate, trial.params);
  const double slope = std::exp2(in_a_row_ + 1) - 1.0;
  // Where the rise is lost to rounding, the next larger number still tells the two points apart.
  trial.loss = std::max(iterate.loss + rise, std::nextafter(iterate.loss, infinity));
  std::ranges::transform(iterate.gradient, trial.gradient.begin(), [&](double g) { return -slope * g; });
}

}  // namespace allgrad
