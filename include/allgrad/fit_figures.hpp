#pragma once

#include <string>
#include <vector>
#include <xtensor/xtensor.hpp>

#include "allgrad/expr.hpp"

// What a fit may keep for its figures.
namespace allgrad {

/// Statistics of a model beside those of the data, to keep with a fit for a figure of both.
struct Comparison {
  Array model;                            ///< [...], as of model.calc_sumstats_from_params(fit.x)
  Array data;                             ///< [...], in the same shape
  Array errors = Array::from_shape({0});  ///< [...], standard errors of the data, or none
  Array x = Array::from_shape({0});       ///< [...], where in the figure, or none: 0, 1, 2 ...
  std::string x_label = {};               ///< of the axes
  std::string label = {};
};

/// The loss as a function of one parameter, minimized over the others. The same on every rank.
struct Profile {
  std::string name;               ///< of the parameter
  xt::xtensor<double, 1> values;  ///< [n], of the parameter
  xt::xtensor<double, 1> losses;  ///< [n], lowest by the others; where a fit did not converge, the lowest that it found
  xt::xtensor<double, 2> params;  ///< [n, ndim], all parameters there
  std::vector<bool> success;      ///< [n], whether the fit of the others converged
  double minimum = 0.0;           ///< the parameter in the fit that it was made for
  double loss = 0.0;              ///< the loss there
};

}  // namespace allgrad
