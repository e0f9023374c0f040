#include "optimizers/descent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "allgrad/error.hpp"
#include "base/interrupt.hpp"
#include "base/origin.hpp"
#include "comm/call.hpp"
#include "optimizers/automatic_scales.hpp"
#include "optimizers/named.hpp"

namespace allgrad {

Checked check_descent(const Arguments& arguments, const LearningRate& learning_rate, const Options& options) {
  const auto with_rate = [&] {
    std::vector<Option> all = options();
    all.push_back(Option::rate(learning_rate));
    return all;
  };
  return with_scales(check_arguments(arguments, BoundsBy::transform, with_rate), arguments);
}

Descent::Descent(const Arguments& arguments, const Params& params)
    : Minimization(arguments, params, BoundsBy::transform),
      variables_(space_.start()),
      step_from_(variables_),
      next_params_(iterate_.params),
      proposed_variables_(variables_),
      proposed_params_(next_params_),
      gradient_(variables_.size()),
      trial_(iterate_),
      path_(next_params_) {}

void Descent::step(const DescentOptions& options, UpdateRule& rule) {
  if (ended()) return;
  in_call(optimizer_, where_, comm(), [&] {
    const InterruptGuard interrupts;
    evaluation_.randkey = options.randkey;
    use_options(options.all);
    if (!evaluate(variables_, trial_)) return save(options.checkpoint);
    remember_first(trial_);
    const bool finite = trial_.finite();
    if (!finite) look_into_trial(options);
    locally([&] { record_.add(trial_); });
    if (finite) {
      std::swap(iterate_, trial_);
      iterate_step_ = step_;
      remember_best(iterate_, step_);
      tell(options.callback, options.progress, options.nsteps, options.nsteps);
      locally([&] { advance(options, rule); });
    } else {
      locally([&] { skip(trial_, options); });
    }
    locally([&] { path_.insert(path_.end(), next_params_.begin(), next_params_.end()); });
    ++step_;
    end_if_due(options);
    if (!ended()) take_signal();
    save_if_due(options.checkpoint);
  });
}

void Descent::fields(Archive& archive) {
  Minimization::fields(archive);
  archive(variables_, step_from_, next_params_, record_, path_, skipped_, skips_in_a_row_, skipped_at_, not_finite_,
          rate_, rate_step_, is_stuck_);
}

void Descent::resume(const DescentOptions& options, Identity identity) {
  if (!restore(options.checkpoint, std::move(identity), options.progress) || ended()) return;
  comm().guarded([&] { check_rate(options); });
  if (step_ > 0) end_if_due(options);
}

void Descent::check_rate(const DescentOptions& options) {
  if (!options.learning_rate.is_schedule() || std::isnan(rate_)) return;
  const double rate = options.learning_rate.at(rate_step_);
  if (rate == rate_) return;
  checkpoint_name(options.checkpoint)
      .refuse(fmt::format("one of another run: expected learning_rate({}) = {}, got {}", rate_step_, shown(rate),
                          shown(rate_)));
}

void Descent::advance(const DescentOptions& options, UpdateRule& rule) {
  const double rate = options.learning_rate.at(step_);
  if (!std::isfinite(rate) || rate < 0.0) {
    throw ArgumentError(fmt::format("{0}: expected a finite number, at least 0, for learning_rate({1}), got {2}. Let "
                                    "learning_rate give one for every step.",
                                    optimizer_, step_, shown(rate)),
                        where_);
  }
  rate_ = rate;
  rate_step_ = step_;
  space_.chain(variables_, iterate_.gradient, gradient_);
  std::ranges::copy(variables_, proposed_variables_.begin());
  const bool proposes = rule.propose(rate, gradient_, proposed_variables_);
  space_.to_params(proposed_variables_, proposed_params_);
  if (!proposes || !all_finite(proposed_variables_) || !all_finite(proposed_params_)) {
    not_finite_ = proposes ? "the step leads to " + named(names_, proposed_params_)
                           : "the gradient is too large to compute with: " + named(names_, iterate_.gradient);
    return skip(iterate_, options);
  }
  rule.commit();
  std::ranges::copy(variables_, step_from_.begin());
  std::swap(variables_, proposed_variables_);
  std::swap(next_params_, proposed_params_);
  skips_in_a_row_ = 0;
}

// It costs evaluations, and hardly changes in a row of skips: asked for at the first, and at one that ends the run.
void Descent::look_into_trial(const DescentOptions& options) {
  if (step_ == 0 && !options.next_has_other_key) refuse_guess(trial_);
  const bool is_last = skips_in_a_row_ + 1 >= options.max_skips_in_a_row || step_ + 1 >= options.nsteps;
  if (skips_in_a_row_ == 0 || is_last) not_finite_ = what_is_not_finite(trial_);
}

void Descent::skip(const Point& at, const DescentOptions& options) {
  skipped_at_ = named(names_, at.params);
  ++skips_in_a_row_;
  if (!options.next_has_other_key) go_back();
  if (++skipped_ > 1) return;
  warn(fmt::format("{} skips step {}: at {}, {}. Further such steps are counted and not reported.", optimizer_, step_,
                   skipped_at_, not_finite_));
}

// Without another key, the same point would give the same again.
void Descent::go_back() {
  is_stuck_ = variables_ == step_from_;
  std::ranges::transform(step_from_, variables_, variables_.begin(),
                         [](double a, double b) { return std::midpoint(a, b); });
  space_.to_params(variables_, next_params_);
}

void Descent::end_if_due(const DescentOptions& options) {
  if (is_stuck_ || skips_in_a_row_ >= options.max_skips_in_a_row) {
    const auto text = [&] {
      const std::string what =
          is_stuck_ ? "no step leads on" : fmt::format("{} steps in a row were skipped", skips_in_a_row_);
      return fmt::format(
          "{}. Of the last, at {}: {}. Lower learning_rate, start from a better guess, or use Lbfgsb, which searches "
          "for a point where the loss is finite and lower.",
          what, skipped_at_, not_finite_);
    };
    end(text, EndReason::not_finite);
    warn(fmt::format("{} ended at step {}: {}", optimizer_, step_, message()));
  } else if (step_ >= options.nsteps) {
    const auto text = [&] {
      const std::string skipped =
          skipped_ == 0 ? "" : fmt::format(", {} of them skipped; of the last of these: {}", skipped_, not_finite_);
      return fmt::format("all {} steps were taken{}", step_, skipped);
    };
    end(text, EndReason::steps_taken);
  }
}

void Descent::take_last_params(std::span<const double> params) {
  std::ranges::copy(params, next_params_.begin());
  std::ranges::copy(params, path_.end() - static_cast<std::ptrdiff_t>(params.size()));
}

Trajectory Descent::result() const {
  const std::size_t ndim = space_.num_params();
  Trajectory result{.loss = xt::xtensor<double, 1>(std::array{record_.losses.size()}),
                    .params = xt::xtensor<double, 2>(std::array{path_.size() / ndim, ndim}),
                    .aux = record_.aux.stacked(),
                    .message = message(),
                    .end_reason = end_reason(),
                    .success = is_success(end_reason()),
                    .best = best(),
                    .skipped = skipped_,
                    .not_finite = not_finite_,
                    .names = names_,
                    .units = units_,
                    .terms = record_.terms.stacked(),
                    .weights = objective().weights(),
                    .randkey = randkey_,
                    .origin = origin_of_now(),
                    .callback_error = callback_error_};
  std::ranges::copy(record_.losses, result.loss.begin());
  std::ranges::copy(path_, result.params.begin());
  return result;
}

DescentState::DescentState(std::unique_ptr<Minimization> run) : OptimizerState(std::move(run)) {}

Trajectory DescentState::result() const { return static_cast<const Descent&>(run()).result(); }

}  // namespace allgrad
