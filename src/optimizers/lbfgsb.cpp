#include "allgrad/lbfgsb.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "allgrad/error.hpp"
#include "optimizers/arguments.hpp"
#include "optimizers/line_search.hpp"
#include "optimizers/notify.hpp"
#include "optimizers/setulb.hpp"

namespace allgrad {

namespace {

// An iteration that a wall cut short and that gained nothing says nothing about convergence. After so many in a row,
// each with its step cut to half or less, the way down leads into the wall.
constexpr int patience = 5;

class Minimization {
 public:
  Minimization(const Lbfgsb& options, Objective& objective, std::span<const double> guess, SourceLocation where)
      : options_(&options),
        objective_(&objective),
        where_(where),
        solver_(guess, options.memory, options.gtol, where),
        trial_(guess),
        iterate_(guess),
        best_(guess) {}

  void run();
  OptimizeResult result() const;

 private:
  enum class End { none, gradient_vanishes, loss_is_flat, limit_reached, wall_ahead, abnormal };

  void evaluate();
  void take_guess();
  void accept();
  End judge_reduction(double previous_loss);
  End judge_end() const;
  void tell_user() const;
  std::string message() const;

  const Lbfgsb* options_;
  Objective* objective_;
  SourceLocation where_;
  Setulb solver_;
  LineSearch search_;
  Point trial_;                  // the last point evaluated; where it was not finite, what the solver was told of it
  bool trial_is_finite_ = true;  // as the objective gave it
  Point iterate_;                // the last point accepted
  Point best_;                   // the lowest point evaluated
  std::size_t nfev_ = 0;
  std::size_t nit_ = 0;
  int stalls_ = 0;  // iterations in a row that gained nothing and were cut short by a wall
  End end_ = End::none;
};

void Minimization::run() {
  while (end_ == End::none) {
    switch (solver_.next()) {
      case Setulb::Wish::evaluation:
        evaluate();
        break;
      case Setulb::Wish::acknowledgement:
        accept();
        break;
      case Setulb::Wish::nothing:
        end_ = judge_end();
    }
  }
}

void Minimization::evaluate() {
  if (nit_ == options_->maxsteps) {
    end_ = End::limit_reached;
    return;
  }
  std::ranges::copy(solver_.x(), trial_.params.begin());
  trial_.loss = objective_->value_and_gradient(trial_.params, trial_.gradient);
  trial_is_finite_ = trial_.finite();
  if (++nfev_ == 1) take_guess();
  if (solver_.starts_line_search()) search_.start(iterate_, trial_.params);
  if (trial_is_finite_) {
    search_.pass();
    if (trial_.loss < best_.loss) best_ = trial_;
  } else {
    search_.step_back(iterate_, trial_);
  }
  solver_.answer(trial_.loss, trial_.gradient);
}

void Minimization::take_guess() {
  if (!trial_is_finite_) {
    throw ArgumentError(
        fmt::format("Lbfgsb: expected a guess at which loss and gradient are finite, got loss {} and gradient [{}] at "
                    "the parameters [{}]. Start where the loss can be computed.",
                    trial_.loss, fmt::join(trial_.gradient, ", "), fmt::join(trial_.params, ", ")),
        where_);
  }
  iterate_ = trial_;
  best_ = trial_;
  tell_user();
}

void Minimization::accept() {
  if (!trial_is_finite_) {
    end_ = End::wall_ahead;
    return;
  }
  const double previous_loss = iterate_.loss;
  iterate_ = trial_;
  ++nit_;
  tell_user();
  // Where the gradient vanishes, the solver is the one to say so.
  if (solver_.gradient_norm() > options_->gtol) end_ = judge_reduction(previous_loss);
}

// SciPy's test of the reduction of the loss, which is in vain where the step would have been longer but for a wall.
Minimization::End Minimization::judge_reduction(double previous_loss) {
  const double scale = std::max({std::abs(previous_loss), std::abs(iterate_.loss), 1.0});
  const double tolerance = options_->ftol * scale;
  if (previous_loss - iterate_.loss > tolerance) {
    stalls_ = 0;
    return End::none;
  }
  if (!search_.met_wall() || search_.promise() <= tolerance) return End::loss_is_flat;
  return ++stalls_ < patience ? End::none : End::wall_ahead;
}

Minimization::End Minimization::judge_end() const {
  if (solver_.message().starts_with("CONVERGENCE: NORM")) return End::gradient_vanishes;
  // Its own test of the reduction comes after the one above, which has just found a wall.
  if (solver_.message().starts_with("CONVERGENCE: REL")) return End::wall_ahead;
  return End::abnormal;
}

void Minimization::tell_user() const {
  notify(options_->callback,
         {.step = nit_, .loss = iterate_.loss, .params = iterate_.params, .gradient = iterate_.gradient},
         objective_->communicator());
}

std::string Minimization::message() const {
  switch (end_) {
    case End::loss_is_flat:
      return "CONVERGENCE: REL_REDUCTION_OF_F_<=_FACTR*EPSMCH";
    case End::limit_reached:
      return "STOP: TOTAL NO. OF ITERATIONS REACHED LIMIT";
    case End::wall_ahead:
      return "STOP: THE LOSS OR ITS GRADIENT IS NOT FINITE AT POINTS CLOSE TO X";
    default:
      return std::string(solver_.message()) + (end_ == End::abnormal && search_.met_wall()
                                                   ? " (THE LOSS OR ITS GRADIENT IS NOT FINITE AT POINTS CLOSE TO X)"
                                                   : "");
  }
}

OptimizeResult Minimization::result() const {
  const bool success = end_ == End::gradient_vanishes || end_ == End::loss_is_flat;
  const Point& point = success ? iterate_ : best_;
  const std::array shape{point.params.size()};
  OptimizeResult result{.message = message(),
                        .success = success,
                        .fun = point.loss,
                        .x = xt::xtensor<double, 1>(shape),
                        .jac = xt::xtensor<double, 1>(shape),
                        .nfev = nfev_,
                        .nit = nit_};
  std::ranges::copy(point.params, result.x.begin());
  std::ranges::copy(point.gradient, result.jac.begin());
  return result;
}

}  // namespace

OptimizeResult Lbfgsb::minimize(Objective& objective, const ParamValues& guess, SourceLocation where) const {
  check_arguments("Lbfgsb", objective, guess,
                  {Option::count("maxsteps", maxsteps), Option::not_negative("ftol", ftol),
                   Option::not_negative("gtol", gtol), Option::count("memory", memory)},
                  where);
  const Communicator& comm = objective.communicator();
  Minimization minimization = comm.guarded([&] { return Minimization(*this, objective, guess, where); });
  minimization.run();
  return comm.guarded([&] { return minimization.result(); });
}

}  // namespace allgrad
