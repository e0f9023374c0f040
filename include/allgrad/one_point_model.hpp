#pragma once

#include <memory>
#include <string>
#include <utility>

#include <xtensor/xtensor.hpp>

#include "allgrad/adam.hpp"
#include "allgrad/compile.hpp"
#include "allgrad/gradient_descent.hpp"
#include "allgrad/lbfgsb.hpp"
#include "allgrad/param_values.hpp"

namespace allgrad {

/// Summary statistics: sums over rows, or what is computed from such.
struct Sumstats {
  Sumstats(const Expr& statistics) : value(statistics) {}
  Expr value;
  Expr params;  ///< what they were computed from, set by the model: for priors in the loss
};

/// A loss: one number, shape [].
struct Loss {
  Loss(const Expr& loss) : value(loss) {}
  Expr value;
};

/// A model whose loss depends on its rows through summary statistics. The user derives from it and writes the two
/// functions; the graph is built and compiled at the first use, which fixes the number of parameters.
///
/// All functions are collective over the model's communicator, take the same parameters on every rank and return the
/// same on every rank. They throw what `compile` throws, and ArgumentError for a wrong number of parameters.
class OnePointModel {
 public:
  explicit OnePointModel(Communicator comm = Communicator::world(), CompileOptions options = {});
  virtual ~OnePointModel();
  OnePointModel(const OnePointModel&) = delete;
  OnePointModel& operator=(const OnePointModel&) = delete;

  /// The statistics of this rank's rows as a function of the parameters [ndim]; the engine sums them over all ranks.
  virtual Sumstats calc_partial_sumstats_from_params(const Expr& params) const = 0;

  /// The loss of the statistics summed over all ranks.
  virtual Loss calc_loss_from_sumstats(const Sumstats& sumstats) const = 0;

  /// The statistics summed over all ranks.
  Array calc_sumstats_from_params(const ParamValues& params, SourceLocation where = SourceLocation::current());
  double calc_loss_from_params(const ParamValues& params, SourceLocation where = SourceLocation::current());
  xt::xtensor<double, 1> calc_dloss_dparams(const ParamValues& params,
                                            SourceLocation where = SourceLocation::current());

  /// Loss and gradient, at the cost of the gradient alone.
  std::pair<double, xt::xtensor<double, 1>> calc_loss_and_grad_from_params(
      const ParamValues& params, SourceLocation where = SourceLocation::current());

  /// Minimizes the loss from `guess` [ndim] with GradientDescent, Adam or Lbfgsb and their defaults.
  Trajectory run_simple_grad_descent(const ParamValues& guess, std::size_t nsteps = 100, double learning_rate = 0.01,
                                     SourceLocation where = SourceLocation::current());
  Trajectory run_adam(const ParamValues& guess, std::size_t nsteps = 100, double learning_rate = 0.01,
                      SourceLocation where = SourceLocation::current());
  OptimizeResult run_bfgs(const ParamValues& guess, std::size_t maxsteps = 100,
                          SourceLocation where = SourceLocation::current());

  /// The compiled graph, for optimizers and inspection.
  CompiledGraph& compiled(std::size_t num_params, SourceLocation where = SourceLocation::current());

  const Communicator& communicator() const;

 private:
  struct State;
  State& state(std::size_t num_params, SourceLocation where);

  Communicator comm_;
  CompileOptions options_;
  std::unique_ptr<State> state_;
};

}  // namespace allgrad
