#pragma once

#include <cstddef>
#include <span>

#include "allgrad/communicator.hpp"

namespace allgrad {

/// A scalar function of a vector of parameters with its gradient: what optimizers consume. All its functions are
/// collective over communicator(), take the same parameters on every rank, and return the same numbers on every rank.
class Objective {
 public:
  virtual ~Objective() = default;

  /// Length of the parameter vector.
  virtual std::size_t num_params() const = 0;

  virtual const Communicator& communicator() const = 0;

  /// The loss at `params` [num_params].
  virtual double value(std::span<const double> params) = 0;

  /// The loss at `params` [num_params]; writes its gradient to `gradient` [num_params].
  virtual double value_and_gradient(std::span<const double> params, std::span<double> gradient) = 0;
};

}  // namespace allgrad
