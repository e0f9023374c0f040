#include "optimizers/minimization.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <new>
#include <utility>

#include "allgrad/error.hpp"
#include "base/emit.hpp"
#include "base/exception_text.hpp"
#include "base/fingerprint.hpp"
#include "base/interrupt.hpp"
#include "base/mask_recipe.hpp"
#include "optimizers/named.hpp"

namespace allgrad {

namespace {

std::vector<double> guess_of(const Params& params) {
  std::vector<double> guess;
  for (const Param& param : params) guess.push_back(param.guess);
  return guess;
}

std::vector<std::string> texts_of(const Params& params, std::string Param::*text) {
  std::vector<std::string> texts;
  for (const Param& param : params) texts.push_back(param.*text);
  return texts;
}

/// While one lives, evaluations write aux values and terms to a point.
class Destination {
 public:
  Destination(EvaluationOptions& options, Point& point) : options_(options) {
    options_.aux = &point.aux;
    options_.terms = &point.terms;
  }
  ~Destination() { options_.aux = options_.terms = nullptr; }
  Destination(const Destination&) = delete;
  Destination& operator=(const Destination&) = delete;

 private:
  EvaluationOptions& options_;
};

std::string message_of(const StopRequest& stop) {
  switch (stop.reason) {
    case StopReason::wish: return fmt::format("stopped by the callback on rank {}", stop.rank);
    case StopReason::signal: return fmt::format("interrupted by {} on rank {}", stop.text, stop.rank);
    case StopReason::exception: return fmt::format("the callback threw on rank {}: {}", stop.rank, stop.text);
  }
  return {};
}

EndReason reason_of(const StopRequest& stop) {
  switch (stop.reason) {
    case StopReason::wish: return EndReason::stopped;
    case StopReason::signal: return EndReason::interrupted;
    case StopReason::exception: return EndReason::callback_threw;
  }
  return EndReason::failed;
}

}  // namespace

Minimization::Minimization(const Arguments& arguments, const Params& params, BoundsBy bounds_by)
    : optimizer_(arguments.optimizer),
      where_(arguments.where),
      space_(params, bounds_by),
      names_(texts_of(params, &Param::name)),
      units_(texts_of(params, &Param::unit)),
      randkey_(arguments.randkey),
      evaluation_{.randkey = arguments.randkey},
      iterate_(guess_of(params)),
      objective_(&arguments.objective),
      run_(comm().next_number()),
      scales_(space_.scales()),
      results_(params.size() + 1),
      result_scales_(params.size() + 1),
      details_([this] { return fmt::format("step {} of {}", step_, optimizer_); }) {
  if (space_.num_variables() < space_.num_params()) evaluation_.frozen = space_.frozen();
  iterate_.loss = std::numeric_limits<double>::quiet_NaN();
  best_.params = xt::xtensor<double, 1>(std::array{params.size()});
  std::ranges::copy(iterate_.params, best_.params.begin());
}

Iterate Minimization::iterate() const {
  return {.step = iterate_step_,
          .loss = iterate_.loss,
          .params = iterate_.params,
          .gradient = iterate_.gradient,
          .aux = iterate_.aux,
          .terms = iterate_.terms};
}

void Minimization::want_to_stop(StopReason reason, std::string_view text) {
  if (!wish_ || reason > wish_->reason) wish_ = StopRequest{reason, comm().rank(), std::string(text)};
}

void Minimization::take_signal() {
  if (const std::string_view signal = InterruptGuard::signal(); !signal.empty())
    want_to_stop(StopReason::signal, signal);
}

void Minimization::raise_failure() {
  if (failure_) comm().fail(std::exchange(failure_, nullptr));
}

void Minimization::use_options(const Options& options) {
  locally([&] {
    const std::vector<Option> values = options();
    Fingerprint hash;
    for (const Option& option : values) hash.add(option.value);
    options_ = hash.value();
    check_options(optimizer_, values, where_);
  });
}

Operation Minimization::operation(std::string_view what) const {
  Fingerprint key;
  key.add(evaluation_.randkey);
  return Operation(what, where_)
      .with("run", run_)
      .with("options", options_)
      .with("random key", key.value())
      .described_by(details_);
}

bool Minimization::evaluate(std::span<const double> variables, Point& point) {
  space_.to_params(variables, point.params);
  locally([&] {
    if (!progress_ && comm().is_root()) progress_.emplace(std::string(optimizer_), names_);
  });
  take_signal();
  raise_failure();
  if (const auto stop = agree(comm(), operation("a step"), {"parameters", point.params, scales_}, wish_)) {
    end_by(*stop);
    return false;
  }
  {
    const Destination destination(evaluation_, point);
    comm().attempt([&] { compute(*objective_, point); });
  }
  agree_on_results(point);
  for (std::size_t i = 0; i < point.gradient.size(); ++i) {
    if (space_.frozen()[i]) point.gradient[i] = 0.0;
  }
  return true;
}

void Minimization::compute(Objective& objective, Point& point) {
  point.loss = objective.value_and_gradient(point.params, point.gradient, evaluation_);
}

void Minimization::agree_on(const OwnNumbers& numbers) {
  agree(comm(), operation("the end of an evaluation"), numbers);
}

// Differences of the size of rounding errors of what was computed before are of the last bits too: at a minimum, the
// gradient is little else.
void Minimization::agree_on_results(Point& point) {
  constexpr double rounding = 1e-6;  // times the tolerance of 1e-9
  double largest = 0.0;
  for (const double g : point.gradient) {
    if (std::isfinite(g)) largest = std::max(largest, std::abs(g));
  }
  largest_gradient_ = std::max(largest_gradient_, largest);
  if (std::isfinite(point.loss)) largest_loss_ = std::max(largest_loss_, std::abs(point.loss));
  std::ranges::fill(result_scales_, std::max(largest, rounding * largest_gradient_));
  result_scales_[0] = rounding * largest_loss_;
  results_[0] = point.loss;
  std::ranges::copy(point.gradient, results_.begin() + 1);
  agree_on({"loss and gradient", results_, result_scales_});
  point.loss = results_[0];
  std::copy(results_.begin() + 1, results_.end(), point.gradient.begin());
}

void Minimization::remember_best(const Point& point, std::size_t step) {
  if (std::isgreaterequal(point.loss, best_.loss)) return;
  best_.loss = point.loss;
  std::ranges::copy(point.params, best_.params.begin());
  best_.step = step;
}

void Minimization::tell(const Callback& callback, bool progress, std::size_t nsteps, std::size_t points) {
  locally([&] {
    if (progress && progress_) progress_->update(iterate(), nsteps, points);
  });
  if (!callback) return;
  try {
    if (callback(iterate()) == Control::stop) want_to_stop(StopReason::wish, {});
  } catch (...) {
    if (all_ranks_know(comm(), std::current_exception())) throw;
    callback_error_ = std::current_exception();
    want_to_stop(StopReason::exception, exception_text(callback_error_));
  }
}

std::string Minimization::what_is_not_finite(const Point& point) {
  std::vector<std::string> parts;
  if (!std::isfinite(point.loss)) parts.push_back(fmt::format("the loss is {}", shown(point.loss)));
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (std::isfinite(point.gradient[i])) continue;
    parts.push_back(fmt::format("the gradient by {} is {}", names_[i], shown(point.gradient[i])));
  }
  const std::string more = comm().attempt([&] { return objective_->what_is_not_finite(point.params, evaluation_); });
  if (!more.empty()) parts.push_back(more);
  return fmt::format("{}", fmt::join(parts, ", "));
}

void Minimization::refuse_guess(const Point& guess) {
  const std::string_view advice = std::isfinite(guess.loss)
                                      ? "The loss is finite there, its derivative is not:"
                                      : "Start where the loss can be computed. Where it should be finite,";
  throw ArgumentError(
      fmt::format("{}: expected a guess at which loss and gradient are finite, but at {} {}. {} {}.", optimizer_,
                  named(names_, guess.params), what_is_not_finite(guess), advice, mask_recipe),
      where_);
}

void Minimization::end(const std::function<std::string()>& message, EndReason reason) {
  std::string text;
  try {
    take_signal();
    locally([&] { text = message(); });
    raise_failure();
    std::vector<double> last = comm().attempt([&] { return std::vector(next_params().begin(), next_params().end()); });
    const Operation end = operation("the end of a run").with("reason", static_cast<std::uint64_t>(reason));
    const auto stop = agree(comm(), end, {"parameters", last, scales_}, wish_);
    if (stop && stop->reason != StopReason::wish) return end_by(*stop);
    take_last_params(last);
  } catch (...) {
    finish(EndReason::failed);
    try {
      message_ = exception_text(std::current_exception());
    } catch (const std::bad_alloc&) {  // the exception says it
    }
    throw;
  }
  finish(reason);
  message_ = std::move(text);
}

void Minimization::end_by(const StopRequest& stop) {
  // Ctrl-C reaches all ranks, but not at the same time: one that came after this rank's last look is answered too.
  if (stop.reason == StopReason::signal) InterruptGuard::signal();
  finish(reason_of(stop));
  message_ = message_of(stop);
  if (stop.reason == StopReason::wish) return;
  warn(fmt::format("{} ended at step {}: {}. Its result holds the best point so far.", optimizer_, step_, message_));
}

void Minimization::finish(EndReason reason) {
  progress_.reset();
  failure_ = nullptr;
  end_reason_ = reason;
}

void Minimization::warn(const std::string& text) const {
  if (comm().is_root()) emit(Severity::warning, text);
}

}  // namespace allgrad
