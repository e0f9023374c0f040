#pragma once

#include <cstddef>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "allgrad/aux_values.hpp"
#include "allgrad/communicator.hpp"
#include "allgrad/key.hpp"

namespace allgrad {

/// What an evaluation takes beside the parameters; the same on every rank.
struct EvaluationOptions {
  std::optional<Key> randkey = {};  ///< for objectives that draw random numbers
  std::vector<bool> frozen = {};    ///< [num_params] or empty: where the gradient is not asked for, and may be 0
  AuxValues* aux = nullptr;         ///< where to write the aux values of the loss, the same at every evaluation
  AuxValues* terms = nullptr;       ///< where to write the terms of the loss, each [] and before its weight
};

/// Which matrix of second derivatives of a loss.
enum class Curvature {
  exact,         ///< the Hessian: all of it
  gauss_newton,  ///< without the second derivatives of the residuals r that the loss squares, as square(r) or r * r,
                 ///< and of the statistics where it does other things with these. For a sum of squares it is 2 J^T J
                 ///< with J = dr/dp, and where the loss is convex in all of them it has no negative eigenvalue.
};

/// A scalar function of a vector of parameters with its gradient: what optimizers consume. `compile` makes one of an
/// expression, models and groups have one, and users may derive their own. All its functions are collective over
/// communicator(), take the same arguments on every rank, and return the same on every rank. What an evaluation throws
/// on some ranks alone is raised on all by the optimizers, and sooner where it goes through Communicator::attempt.
class Objective {
 public:
  virtual ~Objective() = default;

  /// Length of the parameter vector.
  virtual std::size_t num_params() const = 0;

  virtual const Communicator& communicator() const = 0;

  /// The weights of the terms that an evaluation writes, by their names, where the loss is a sum of terms: that of a
  /// joint fit is the sum over them of weight * term.
  virtual Named<double> weights() const { return {}; }

  /// The loss at `params` [num_params].
  virtual double value(std::span<const double> params, const EvaluationOptions& options = {}) = 0;

  /// The loss at `params` [num_params]; writes its gradient to `gradient` [num_params].
  virtual double value_and_gradient(std::span<const double> params, std::span<double> gradient,
                                    const EvaluationOptions& options = {}) = 0;

  /// Whether value_gradient_and_hessian computes this matrix.
  virtual bool has_hessian([[maybe_unused]] Curvature curvature) const { return false; }

  /// The loss at `params` [num_params]; writes its gradient to `gradient` [num_params] and its second derivatives to
  /// `hessian` [num_params * num_params], row by row. Throws ArgumentError where there is no such matrix.
  virtual double value_gradient_and_hessian(std::span<const double> params, std::span<double> gradient,
                                            std::span<double> hessian, Curvature curvature,
                                            const EvaluationOptions& options = {});

  /// Whether hessian_product computes anything.
  virtual bool has_hessian_product() const { return false; }

  /// Writes the product of the Hessian of the loss at `params` [num_params] with `vector` [num_params], the same on
  /// every rank, to `product` [num_params]: at the cost of a few gradients, however many parameters there are. Throws
  /// ArgumentError where there is no such product.
  virtual void hessian_product(std::span<const double> params, std::span<const double> vector,
                               std::span<double> product, const EvaluationOptions& options = {});

  /// Takes part in an evaluation as failed with `cause`, which is raised on every rank.
  [[noreturn]] virtual void fail(std::exception_ptr cause) { communicator().fail(std::move(cause)); }

  /// Where loss or gradient at `params` are not finite: what is the first to be not, of all that they are computed
  /// from, as text for the user ("statistics 3, 4 of 10 are 0 under log10 at fit.cpp:31"). Empty where nothing is
  /// known.
  virtual std::string what_is_not_finite([[maybe_unused]] std::span<const double> params,
                                         [[maybe_unused]] const EvaluationOptions& options = {}) {
    return {};
  }
};

}  // namespace allgrad
