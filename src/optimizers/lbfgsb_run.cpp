#include "optimizers/lbfgsb_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/interrupt.hpp"
#include "comm/call.hpp"

namespace allgrad {

namespace {

// An iteration that a wall cut short and that gained nothing says nothing about convergence. After so many in a row,
// each with its step cut to half or less, the way down leads into the wall.
constexpr int most_stalls = 5;

}  // namespace

LbfgsbRun::LbfgsbRun(const Lbfgsb& options, const Arguments& arguments, const Params& params)
    : BoundedRun(arguments, params),
      gtol_(options.gtol),
      memory_(options.memory),
      first_step_(options.scipy_path ? Setulb::FirstStep::gradient : Setulb::FirstStep::unit),
      solver_(accepted_.params, bounds_, memory_, gtol_, first_step_, arguments.where) {
  solver_.next();  // wants the loss at the guess
}

void LbfgsbRun::step(const Lbfgsb& lbfgsb, const Options& all) {
  if (ended()) return;
  in_call(optimizer_, where_, comm(), [&] {
    const InterruptGuard interrupts;
    const RunOptions options(lbfgsb);
    use_options(all);
    for (const std::size_t before = step_; step_ == before && end_ == End::none;) {
      if (!answer_solver(options)) return save(options.checkpoint);
      Setulb::Wish wish = solver_.next();
      if (wish == Setulb::Wish::acknowledgement) {
        end_ = take_iterate(options);
        if (end_ == End::none) wish = solver_.next();
      }
      if (wish == Setulb::Wish::nothing) end_ = judge_solver();
    }
    if (!confirm_by([&] { return confirm(options); })) return save(options.checkpoint);
    end_if_due(options);
    if (!ended()) take_signal();
    save_if_due(options.checkpoint);
  });
}

void LbfgsbRun::fields(Archive& archive) {
  BoundedRun::fields(archive);
  archive(solver_, search_, stalls_);
}

// False where some rank wanted to stop.
bool LbfgsbRun::answer_solver(const RunOptions& options) {
  if (!evaluate_at(solver_.x())) return false;
  if (nfev_ == 1) {
    if (!trial_is_finite_) refuse_guess(evaluated_);
    take_guess(options);
  }
  if (solver_.starts_line_search()) search_.start(accepted_, trial_.params);
  if (trial_is_finite_) {
    search_.pass();
    remember_best(evaluated_, step_ + 1);
  } else {
    count_wall(!search_.met_wall());
    search_.step_back(accepted_, trial_);
  }
  solver_.answer(trial_.loss, trial_.gradient);
  return true;
}

LbfgsbRun::End LbfgsbRun::take_iterate(const RunOptions& options) {
  if (!trial_is_finite_) return End::wall_ahead;
  locally([&] { remember_pair(memory_); });
  const double previous_loss = accepted_.loss;
  accept(options);
  // Where the gradient vanishes, the solver is the one to say so.
  return solver_.gradient_norm() > gtol_ ? judge_reduction(options.ftol, previous_loss) : End::none;
}

// SciPy's test of the reduction of the loss, which is in vain where the step would have been longer but for a wall.
LbfgsbRun::End LbfgsbRun::judge_reduction(double ftol, double previous_loss) {
  const double tolerance = ftol * std::max({std::abs(previous_loss), std::abs(accepted_.loss), 1.0});
  if (previous_loss - accepted_.loss > tolerance) {
    stalls_ = 0;
    return End::none;
  }
  if (!search_.met_wall() || search_.promise() <= tolerance) return End::loss_is_flat;
  return ++stalls_ < most_stalls ? End::none : End::wall_ahead;
}

LbfgsbRun::End LbfgsbRun::judge_solver() const {
  if (solver_.message().starts_with("CONVERGENCE: NORM")) return End::gradient_vanishes;
  // Its own test of the reduction comes after the one above, which has just found a wall.
  if (solver_.message().starts_with("CONVERGENCE: REL")) return End::wall_ahead;
  return search_.met_wall() ? End::wall_ahead : End::no_progress;
}

// What has converged is looked at again, unless SciPy's path is wanted. False where some rank wanted to stop.
bool LbfgsbRun::confirm(const RunOptions& options) {
  if (end_ == End::gradient_vanishes && !check_for_plateau()) return false;
  const bool has_converged = end_ == End::gradient_vanishes || end_ == End::loss_is_flat;
  return !has_converged || first_step_ == Setulb::FirstStep::gradient || look_inwards(options);
}

// Whether the last step, which was no long one, has met a curvature.
bool LbfgsbRun::path_is_curved() const {
  if (pairs_.empty()) return false;
  const std::vector<double>& step = pairs_.back().step;
  const std::vector<double>& change = pairs_.back().change;
  const auto dot = [&](const std::vector<double>& a) {
    return std::inner_product(a.begin(), a.end(), step.begin(), 0.0);
  };
  return dot(step) <= 1.0 && dot(change) > gtol_ * dot(step);
}

// By how much the gradient changes on a short way. False where some rank wanted to stop.
bool LbfgsbRun::check_for_plateau() {
  const auto is_small = [](std::span<const double> values, double most) {
    return std::ranges::all_of(values, [&](double value) { return std::abs(value) <= most; });
  };
  if (!is_small(accepted_.gradient, gtol_) || path_is_curved()) return true;
  constexpr double length = 1e-3;
  std::vector<double> beside = accepted_.params;
  for (std::size_t i = 0; i < beside.size(); ++i) {
    const double step = length * irregular(i);
    beside[i] += beside[i] + step <= bounds_[i].high ? step : -std::min(step, beside[i] - bounds_[i].low);
  }
  if (!evaluate_at(beside)) return false;
  std::vector<double> change = trial_.gradient;
  for (std::size_t i = 0; i < change.size(); ++i) change[i] -= accepted_.gradient[i];
  if (trial_is_finite_ && is_small(change, gtol_ * length)) end_ = End::plateau;
  return true;
}

void LbfgsbRun::restart() {
  solver_ = Setulb(accepted_.params, bounds_, memory_, gtol_, first_step_, where_);
  search_ = {};
  stalls_ = 0;
  solver_.next();
}

std::string LbfgsbRun::end_message(End end) const {
  constexpr std::string_view wall = "THE LOSS OR ITS GRADIENT IS NOT FINITE AT POINTS CLOSE TO X";
  switch (end) {
    case End::loss_is_flat: return "CONVERGENCE: REL_REDUCTION_OF_F_<=_FACTR*EPSMCH";
    case End::limit_reached: return "STOP: TOTAL NO. OF ITERATIONS REACHED LIMIT";
    case End::plateau: return std::string(plateau);
    case End::wall_ahead:
      if (solver_.message().starts_with("ABNORMAL")) {
        return fmt::format("{} ({}: {})", solver_.message(), wall, not_finite_);
      }
      return fmt::format("STOP: {}: {}", wall, not_finite_);
    default: return std::string(solver_.message());
  }
}

OptimizeResult LbfgsbState::result() const { return static_cast<const LbfgsbRun&>(run()).result(); }

}  // namespace allgrad
