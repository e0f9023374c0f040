#include "optimizers/param_space.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/finite.hpp"

namespace allgrad {

namespace {

// The y > 0 with u = y - 1/y, without cancellation.
double positive(double u) {
  const double root = std::hypot(u, 2.0);
  return u > 0.0 ? 0.5 * (u + root) : 2.0 / (root - u);
}

// dy/du
double positive_derivative(double u) {
  const double y = positive(u);
  return y < 1.0 ? y * y / (y * y + 1.0) : 1.0 / (1.0 + 1.0 / (y * y));
}

}  // namespace

// Between two bounds, params = low + (high - low) (1/2 + atan(u) / pi), where 1/2 + atan(u) / pi = atan(-1/u) / pi for
// u < 0. Measured from the nearer bound, no digits are lost beside the other one.
double ParamSpace::Coordinate::variable(double param) const {
  switch (kind) {
    case Kind::above_low: {
      const double y = (param - bounds.low) / scale;
      return y - 1.0 / y;
    }
    case Kind::below_high: {
      const double y = (bounds.high - param) / scale;
      return 1.0 / y - y;
    }
    case Kind::between: {
      const double above = param - bounds.low, below = bounds.high - param;
      const double u = 1.0 / std::tan(std::numbers::pi * (std::min(above, below) / (bounds.high - bounds.low)));
      return above < below ? -u : u;
    }
    default: return param / scale;
  }
}

double ParamSpace::Coordinate::param(double u) const {
  if (u == start) return guess;
  if (kind == Kind::scaled) {  // on a bound to the bit
    if (u <= bounds.low / scale) return bounds.low;
    if (u >= bounds.high / scale) return bounds.high;
    return std::clamp(scale * u, bounds.low, bounds.high);
  }
  double value = scale * u;
  if (kind == Kind::above_low) value = bounds.low + scale * positive(u);
  if (kind == Kind::below_high) value = bounds.high - scale * positive(-u);
  if (kind == Kind::between) {
    const double distance = (bounds.high - bounds.low) * (std::atan2(1.0, std::abs(u)) / std::numbers::pi);
    value = u < 0.0 ? bounds.low + distance : bounds.high - distance;
  }
  // Where rounding has taken it to the bound or beyond. Nothing is next to an open side.
  if (bounds.has_low()) value = std::max(value, std::nextafter(bounds.low, infinity));
  if (bounds.has_high()) value = std::min(value, std::nextafter(bounds.high, -infinity));
  return value;
}

double ParamSpace::Coordinate::derivative(double u) const {
  switch (kind) {
    case Kind::above_low: return scale * positive_derivative(u);
    case Kind::below_high: return scale * positive_derivative(-u);
    case Kind::between: return (bounds.high - bounds.low) / (std::numbers::pi * (1.0 + u * u));
    default: return scale;
  }
}

ParamSpace::Kind ParamSpace::kind_of(const Bound& bounds, BoundsBy bounds_by) {
  if (bounds_by == BoundsBy::optimizer) return Kind::scaled;
  if (bounds.has_low()) return bounds.has_high() ? Kind::between : Kind::above_low;
  return bounds.has_high() ? Kind::below_high : Kind::free;
}

ParamSpace::ParamSpace(const Params& params, BoundsBy bounds_by) {
  for (const Param& param : params) {
    const std::size_t index = guess_.size();
    guess_.push_back(param.guess);
    frozen_.push_back(param.frozen);
    if (param.frozen) continue;
    Coordinate& coordinate = coordinates_.emplace_back(
        Coordinate{index, kind_of(param.bounds, bounds_by), param.bounds, param.scale.value(), param.guess, 0.0});
    coordinate.start = coordinate.variable(param.guess);
  }
}

std::vector<double> ParamSpace::start() const {
  std::vector<double> start;
  for (const Coordinate& coordinate : coordinates_) start.push_back(coordinate.start);
  return start;
}

Bounds ParamSpace::bounds() const {
  Bounds bounds(num_variables());
  for (std::size_t i = 0; i < num_variables(); ++i) {
    const Coordinate& coordinate = coordinates_[i];
    if (coordinate.kind != Kind::scaled) continue;
    bounds[i] = {coordinate.bounds.low / coordinate.scale, coordinate.bounds.high / coordinate.scale};
  }
  return bounds;
}

void ParamSpace::to_params(std::span<const double> variables, std::span<double> params) const {
  std::ranges::copy(guess_, params.begin());
  for (std::size_t i = 0; i < num_variables(); ++i) params[coordinates_[i].index] = coordinates_[i].param(variables[i]);
}

void ParamSpace::chain(std::span<const double> variables, std::span<const double> by_params,
                       std::span<double> by_variables) const {
  for (std::size_t i = 0; i < num_variables(); ++i) {
    by_variables[i] = by_params[coordinates_[i].index] * coordinates_[i].derivative(variables[i]);
  }
}

std::vector<double> ParamSpace::spread(std::span<const double> of_variables) const {
  std::vector<double> of_params(num_params(), 0.0);
  for (std::size_t i = 0; i < num_variables(); ++i) of_params[coordinates_[i].index] = of_variables[i];
  return of_params;
}

std::vector<std::size_t> ParamSpace::at_bounds(std::span<const double> params) const {
  std::vector<std::size_t> indices;
  for (const Coordinate& coordinate : coordinates_) {
    const double param = params[coordinate.index];
    if (param == coordinate.bounds.low || param == coordinate.bounds.high) indices.push_back(coordinate.index);
  }
  return indices;
}

std::vector<double> ParamSpace::scales() const {
  std::vector<double> scales;
  for (const Coordinate& coordinate : coordinates_) scales.push_back(coordinate.scale);
  return spread(scales);
}

}  // namespace allgrad
