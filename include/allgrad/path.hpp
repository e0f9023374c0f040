#pragma once

#include <xtensor/xtensor.hpp>

#include "allgrad/aux_values.hpp"

namespace allgrad {

/// The iterates of a minimization, from the guess on.
struct Path {
  xt::xtensor<double, 1> loss = {};                                            ///< [n]
  xt::xtensor<double, 2> params = xt::xtensor<double, 2>::from_shape({0, 0});  ///< [n, ndim]
  AuxValues aux = {};                                                          ///< of the loss, each [n, ...]
  AuxValues terms = {};  ///< of a joint fit: the loss of each model [n], before its weight
};

}  // namespace allgrad
