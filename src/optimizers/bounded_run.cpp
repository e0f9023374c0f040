#include "optimizers/bounded_run.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/origin.hpp"

namespace allgrad {

BoundedRun::BoundedRun(const Arguments& arguments, const Params& params)
    : Minimization(arguments, params, BoundsBy::optimizer),
      bounds_(space_.bounds()),
      evaluated_(iterate_),
      trial_(space_.start()),
      accepted_(trial_) {}

static void fields(Archive& archive, InverseHessian::Pair& pair) { archive(pair.step, pair.change); }

void BoundedRun::fields(Archive& archive) {
  Minimization::fields(archive);
  archive(accepted_, trial_is_finite_, pairs_, nfev_, backed_off_, not_finite_, end_, is_confirmed_, record_, params_);
}

void BoundedRun::resume_from(const RunOptions& options, Identity identity) {
  if (restore(options.checkpoint, std::move(identity), options.progress) && !ended() && is_confirmed_) {
    end_if_due(options);
  }
}

bool BoundedRun::evaluate_at(std::span<const double> variables) {
  std::ranges::copy(variables, trial_.params.begin());
  if (!evaluate(variables, evaluated_)) return false;
  trial_.loss = evaluated_.loss;
  space_.chain(trial_.params, evaluated_.gradient, trial_.gradient);
  trial_is_finite_ = evaluated_.finite() && trial_.finite();
  ++nfev_;
  return true;
}

void BoundedRun::take_guess(const RunOptions& options) {
  accepted_ = trial_;
  iterate_ = evaluated_;
  remember_first(evaluated_);
  remember_best(evaluated_, 0);
  record_iterate();
  tell(options.callback, options.progress, options.maxsteps, options.maxsteps + 1);
}

void BoundedRun::accept(const RunOptions& options) {
  accepted_ = trial_;
  std::swap(iterate_, evaluated_);
  iterate_step_ = ++step_;
  record_iterate();
  tell(options.callback, options.progress, options.maxsteps, options.maxsteps + 1);
}

void BoundedRun::record_iterate() {
  locally([&] {
    record_.add(iterate_);
    params_.insert(params_.end(), iterate_.params.begin(), iterate_.params.end());
  });
}

Path BoundedRun::path() const {
  const std::size_t ndim = space_.num_params();
  Path path{.loss = xt::xtensor<double, 1>(std::array{record_.losses.size()}),
            .params = xt::xtensor<double, 2>(std::array{params_.size() / ndim, ndim}),
            .aux = record_.aux.stacked(),
            .terms = record_.terms.stacked()};
  std::ranges::copy(record_.losses, path.loss.begin());
  std::ranges::copy(params_, path.params.begin());
  return path;
}

void BoundedRun::count_wall(bool is_first) {
  if (is_first) not_finite_ = what_is_not_finite(evaluated_);
  ++backed_off_;
}

// Pairs along which the loss does not curve upwards are left out, as L-BFGS-B does.
void BoundedRun::remember_pair(std::size_t memory) {
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
  if (pairs_.size() > memory) pairs_.pop_front();
}

std::optional<std::vector<double>> BoundedRun::find_lower_inside(double ftol) {
  constexpr std::array parts = {1.0 / 16.0, 1.0 / 8.0, 1.0 / 4.0, 1.0 / 2.0, 3.0 / 4.0};
  constexpr double open = 8.0;  // to a side without bound
  const Point from = accepted_;
  std::vector<double> other_side = from.params;
  for (std::size_t i = 0; i < other_side.size(); ++i) {
    const auto& [low, high] = bounds_[i];
    if (other_side[i] <= low && from.gradient[i] > 0.0) {
      other_side[i] = bounds_[i].has_high() ? high : low + open;
    } else if (other_side[i] >= high && from.gradient[i] < 0.0) {
      other_side[i] = bounds_[i].has_low() ? low : high - open;
    }
  }
  if (other_side == from.params) return std::nullopt;
  std::optional<std::vector<double>> lower;
  double lowest = from.loss - ftol * std::max(std::abs(from.loss), 1.0);
  std::vector<double> at(other_side.size());
  bool met_wall = false;
  for (const double part : parts) {
    for (std::size_t i = 0; i < at.size(); ++i) at[i] = std::lerp(from.params[i], other_side[i], part);
    if (!evaluate_at(at)) return std::nullopt;
    if (!trial_is_finite_) {
      count_wall(!met_wall);
      met_wall = true;
      continue;
    }
    remember_best(evaluated_, step_ + 1);
    if (!(evaluated_.loss < lowest)) continue;
    lowest = evaluated_.loss;
    lower = at;
  }
  return lower;
}

bool BoundedRun::look_inwards(const RunOptions& options) {
  const auto lower = find_lower_inside(options.ftol);
  if (ended()) return false;
  if (!lower) return true;
  if (!evaluate_at(*lower)) return false;
  accept(options);
  end_ = End::none;
  restart();
  return true;
}

double BoundedRun::irregular(std::size_t i) {
  constexpr double golden = 0.618033988749895;
  return 0.5 + std::fmod(golden * static_cast<double>(i + 1), 1.0);
}

void BoundedRun::end_if_due(const RunOptions& options) {
  const End due = end_ == End::none && step_ >= options.maxsteps ? End::limit_reached : end_;
  if (due != End::none) end([&] { return end_message(due); }, reason_of(due));
}

EndReason BoundedRun::reason_of(End end) const {
  switch (end) {
    case End::none: return EndReason::running;
    case End::gradient_vanishes:
    case End::loss_is_flat: return EndReason::converged;
    case End::limit_reached: return EndReason::limit_reached;
    case End::wall_ahead: return EndReason::not_finite;
    case End::plateau:
    case End::no_progress: return EndReason::no_progress;
  }
  return EndReason::failed;
}

OptimizeResult BoundedRun::result() const {
  const std::array shape{space_.num_params()};
  OptimizeResult result{.message = message(),
                        .end_reason = end_reason(),
                        .success = is_success(end_reason()),
                        .fun = iterate_.loss,
                        .x = xt::xtensor<double, 1>(shape),
                        .jac = xt::xtensor<double, 1>(shape),
                        .nfev = nfev_,
                        .nit = step_,
                        .hess_inv = InverseHessian(space_.scales(), pairs()),
                        .best = best(),
                        .backed_off = backed_off_,
                        .not_finite = not_finite_,
                        .names = names_,
                        .callback_error = callback_error_,
                        .units = units_,
                        .aux = iterate_.aux,
                        .terms = iterate_.terms,
                        .weights = objective().weights(),
                        .path = path(),
                        .randkey = randkey_,
                        .origin = origin_of_now()};
  std::ranges::copy(iterate_.params, result.x.begin());
  std::ranges::copy(iterate_.gradient, result.jac.begin());
  for (const std::size_t i : space_.at_bounds(iterate_.params)) result.at_bounds.push_back(names_[i]);
  if (!result.at_bounds.empty()) result.message += fmt::format("; at bounds: {}", fmt::join(result.at_bounds, ", "));
  return result;
}

}  // namespace allgrad
