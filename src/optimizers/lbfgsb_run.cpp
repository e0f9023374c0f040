#include "optimizers/lbfgsb_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/interrupt.hpp"
#include "comm/call.hpp"

namespace allgrad {

namespace {

// An iteration that a wall cut short and that gained nothing says nothing about convergence. After so many in a row,
// each with its step cut to half or less, the way down leads into the wall.
constexpr int patience = 5;

}  // namespace

LbfgsbRun::LbfgsbRun(const Lbfgsb& options, const Arguments& arguments, const Params& params)
    : Minimization(arguments, params, BoundsBy::optimizer),
      gtol_(options.gtol),
      memory_(options.memory),
      solver_(space_.start(), space_.bounds(), options.memory, options.gtol, arguments.where),
      evaluated_(iterate_),
      trial_(space_.start()),
      accepted_(trial_) {
  solver_.next();  // wants the loss at the guess
}

void LbfgsbRun::step(const Lbfgsb& options, const Options& all) {
  if (ended()) return;
  in_call(optimizer_, where_, comm(), [&] {
    const InterruptGuard interrupts;
    use_options(all);
    for (const std::size_t before = step_; step_ == before && end_ == End::none;) {
      if (!answer_solver(options)) return save(options.checkpoint);
      Setulb::Wish wish = solver_.next();
      if (wish == Setulb::Wish::acknowledgement) {
        end_ = accept(options);
        if (end_ == End::none) wish = solver_.next();
      }
      if (wish == Setulb::Wish::nothing) end_ = judge_solver();
    }
    end_if_due(options);
    if (!ended()) take_signal();
    save_if_due(options.checkpoint);
  });
}

void LbfgsbRun::end_if_due(const Lbfgsb& options) {
  const End due = end_ == End::none && step_ >= options.maxsteps ? End::limit_reached : end_;
  if (due != End::none) end([&] { return end_message(due); }, reason_of(due));
}

static void fields(Archive& archive, InverseHessian::Pair& pair) { archive(pair.step, pair.change); }

void LbfgsbRun::fields(Archive& archive) {
  Minimization::fields(archive);
  archive(solver_, search_, trial_is_finite_, accepted_, pairs_, nfev_, backed_off_, not_finite_, end_, stalls_);
}

void LbfgsbRun::resume(const Lbfgsb& options, Identity identity) {
  if (restore(options.checkpoint, std::move(identity), options.progress) && !ended()) end_if_due(options);
}

// False where some rank wanted to stop.
bool LbfgsbRun::answer_solver(const Lbfgsb& options) {
  std::ranges::copy(solver_.x(), trial_.params.begin());
  if (!evaluate(trial_.params, evaluated_)) return false;
  trial_.loss = evaluated_.loss;
  space_.chain(trial_.params, evaluated_.gradient, trial_.gradient);
  trial_is_finite_ = evaluated_.finite() && trial_.finite();
  if (nfev_ == 0) take_guess(options);
  ++nfev_;
  if (solver_.starts_line_search()) search_.start(accepted_, trial_.params);
  if (trial_is_finite_) {
    search_.pass();
    remember_best(evaluated_, step_ + 1);
  } else {
    step_back();
  }
  solver_.answer(trial_.loss, trial_.gradient);
  return true;
}

void LbfgsbRun::take_guess(const Lbfgsb& options) {
  if (!trial_is_finite_) refuse_guess(evaluated_);
  accepted_ = trial_;
  iterate_ = evaluated_;
  remember_first(evaluated_);
  remember_best(evaluated_, 0);
  tell(options.callback, options.progress, options.maxsteps, options.maxsteps + 1);
}

void LbfgsbRun::step_back() {
  // Once for each line search, since it costs evaluations.
  if (!search_.met_wall()) not_finite_ = what_is_not_finite(evaluated_);
  ++backed_off_;
  search_.step_back(accepted_, trial_);
}

LbfgsbRun::End LbfgsbRun::accept(const Lbfgsb& options) {
  if (!trial_is_finite_) return End::wall_ahead;
  locally([&] { remember_pair(); });
  const double previous_loss = accepted_.loss;
  accepted_ = trial_;
  iterate_ = evaluated_;
  iterate_step_ = ++step_;
  tell(options.callback, options.progress, options.maxsteps, options.maxsteps + 1);
  // Where the gradient vanishes, the solver is the one to say so.
  return solver_.gradient_norm() > gtol_ ? judge_reduction(options.ftol, previous_loss) : End::none;
}

// Pairs along which the loss does not curve upwards are left out, as the solver does.
void LbfgsbRun::remember_pair() {
  InverseHessian::Pair pair{trial_.params, trial_.gradient};
  for (std::size_t i = 0; i < pair.step.size(); ++i) {
    pair.step[i] -= accepted_.params[i];
    pair.change[i] -= accepted_.gradient[i];
  }
  const auto dot = [&](const std::vector<double>& a) {
    return std::inner_product(a.begin(), a.end(), pair.step.begin(), 0.0);
  };
  if (dot(pair.change) <= std::numeric_limits<double>::epsilon() * -dot(accepted_.gradient)) return;
  pairs_.push_back({space_.spread(pair.step), space_.spread(pair.change)});
  if (pairs_.size() > memory_) pairs_.pop_front();
}

// SciPy's test of the reduction of the loss, which is in vain where the step would have been longer but for a wall.
LbfgsbRun::End LbfgsbRun::judge_reduction(double ftol, double previous_loss) {
  const double tolerance = ftol * std::max({std::abs(previous_loss), std::abs(accepted_.loss), 1.0});
  if (previous_loss - accepted_.loss > tolerance) {
    stalls_ = 0;
    return End::none;
  }
  if (!search_.met_wall() || search_.promise() <= tolerance) return End::loss_is_flat;
  return ++stalls_ < patience ? End::none : End::wall_ahead;
}

LbfgsbRun::End LbfgsbRun::judge_solver() const {
  if (solver_.message().starts_with("CONVERGENCE: NORM")) return End::gradient_vanishes;
  // Its own test of the reduction comes after the one above, which has just found a wall.
  if (solver_.message().starts_with("CONVERGENCE: REL")) return End::wall_ahead;
  return End::abnormal;
}

EndReason LbfgsbRun::reason_of(End end) const {
  switch (end) {
    case End::none: return EndReason::running;
    case End::gradient_vanishes:
    case End::loss_is_flat: return EndReason::converged;
    case End::limit_reached: return EndReason::limit_reached;
    case End::wall_ahead: return EndReason::not_finite;
    case End::abnormal: return search_.met_wall() ? EndReason::not_finite : EndReason::no_progress;
  }
  return EndReason::failed;
}

std::string LbfgsbRun::end_message(End end) const {
  constexpr std::string_view wall = "THE LOSS OR ITS GRADIENT IS NOT FINITE AT POINTS CLOSE TO X";
  switch (end) {
    case End::loss_is_flat: return "CONVERGENCE: REL_REDUCTION_OF_F_<=_FACTR*EPSMCH";
    case End::limit_reached: return "STOP: TOTAL NO. OF ITERATIONS REACHED LIMIT";
    case End::wall_ahead: return fmt::format("STOP: {}: {}", wall, not_finite_);
    case End::abnormal:
      if (search_.met_wall()) return fmt::format("{} ({}: {})", solver_.message(), wall, not_finite_);
      [[fallthrough]];
    default: return std::string(solver_.message());
  }
}

OptimizeResult LbfgsbRun::result() const {
  const std::array shape{space_.num_params()};
  OptimizeResult result{.message = message(),
                        .end_reason = end_reason(),
                        .success = is_success(end_reason()),
                        .fun = iterate_.loss,
                        .x = xt::xtensor<double, 1>(shape),
                        .jac = xt::xtensor<double, 1>(shape),
                        .nfev = nfev_,
                        .nit = step_,
                        .hess_inv = InverseHessian(space_.scales(), {pairs_.begin(), pairs_.end()}),
                        .best = best(),
                        .backed_off = backed_off_,
                        .not_finite = not_finite_,
                        .names = names_,
                        .callback_error = callback_error_};
  std::ranges::copy(iterate_.params, result.x.begin());
  std::ranges::copy(iterate_.gradient, result.jac.begin());
  for (const std::size_t i : space_.at_bounds(iterate_.params)) result.at_bounds.push_back(names_[i]);
  return result;
}

OptimizeResult LbfgsbState::result() const { return static_cast<const LbfgsbRun&>(run()).result(); }

}  // namespace allgrad
