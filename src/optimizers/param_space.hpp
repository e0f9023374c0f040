#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "allgrad/params.hpp"

namespace allgrad {

/// How an optimizer that walks in a ParamSpace keeps to bounds.
enum class BoundsBy {
  transform,  ///< its variables are free of bounds: see Adam for the formulas
  optimizer,  ///< itself: its variables are params / scale, and have bounds
};

/// The map between the variables in which an optimizer walks [num_variables] and the parameters of its objective
/// [num_params]. Frozen parameters have no variable.
class ParamSpace {
 public:
  /// The parameters have been checked.
  ParamSpace(const Params& params, BoundsBy bounds_by);

  std::size_t num_params() const { return guess_.size(); }
  std::size_t num_variables() const { return coordinates_.size(); }

  /// The variables at the guess.
  std::vector<double> start() const;

  /// The bounds of the variables; all open for BoundsBy::transform.
  Bounds bounds() const;

  /// Sets all parameters, frozen ones to their guess. A variable that has not moved gives the guess to the bit; the
  /// result never leaves a bound, and never touches it for BoundsBy::transform.
  void to_params(std::span<const double> variables, std::span<double> params) const;

  /// The gradient by the variables, at the variables, of a function whose gradient by the parameters is `by_params`.
  void chain(std::span<const double> variables, std::span<const double> by_params,
             std::span<double> by_variables) const;

  /// For each parameter.
  const std::vector<bool>& frozen() const { return frozen_; }

  /// For each parameter: a vector of numbers for each variable, and 0 for frozen parameters.
  std::vector<double> spread(std::span<const double> of_variables) const;

  /// The indices of free parameters that are on a bound.
  std::vector<std::size_t> at_bounds(std::span<const double> params) const;

  /// The scale of each parameter; 0 for frozen ones.
  std::vector<double> scales() const;

 private:
  enum class Kind { free, above_low, below_high, between, scaled };

  // The variable of one parameter.
  struct Coordinate {
    double variable(double param) const;
    double param(double variable) const;
    double derivative(double variable) const;  // of param

    std::size_t index;
    Kind kind;
    Bound bounds;
    double scale;
    double guess;
    double start;
  };

  static Kind kind_of(const Bound& bounds, BoundsBy bounds_by);

  std::vector<Coordinate> coordinates_;
  std::vector<double> guess_;
  std::vector<bool> frozen_;
};

}  // namespace allgrad
