#include "optimizers/minimization.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "allgrad/error.hpp"
#include "base/emit.hpp"
#include "base/exception_text.hpp"
#include "base/fingerprint.hpp"
#include "comm/failure_record.hpp"
#include "optimizers/interrupt.hpp"
#include "optimizers/named.hpp"

namespace allgrad {

namespace {

std::vector<double> guess_of(const Params& params) {
  std::vector<double> guess;
  for (const Param& param : params) guess.push_back(param.guess);
  return guess;
}

std::vector<std::string> names_of(const Params& params) {
  std::vector<std::string> names;
  for (const Param& param : params) names.push_back(param.name);
  return names;
}

std::string message_of(const StopRequest& stop) {
  switch (stop.reason()) {
    case StopReason::wish: return fmt::format("stopped by the callback on rank {}", stop.rank());
    case StopReason::signal: return fmt::format("interrupted by {} on rank {}", stop.text(), stop.rank());
    case StopReason::exception: return fmt::format("the callback threw on rank {}: {}", stop.rank(), stop.text());
  }
  return {};
}

EndReason reason_of(const StopRequest& stop) {
  switch (stop.reason()) {
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
      names_(names_of(params)),
      evaluation_{.randkey = arguments.randkey},
      iterate_(guess_of(params)),
      objective_(&arguments.objective) {
  if (space_.num_variables() < space_.num_params()) evaluation_.frozen = space_.frozen();
  iterate_.loss = std::numeric_limits<double>::quiet_NaN();
  best_.params = xt::xtensor<double, 1>(std::array{params.size()});
  std::ranges::copy(iterate_.params, best_.params.begin());
}

Iterate Minimization::iterate() const {
  return {.step = iterate_step_, .loss = iterate_.loss, .params = iterate_.params, .gradient = iterate_.gradient};
}

void Minimization::want(std::exception_ptr cause) {
  if (!pending_ || urgency_of(cause) > urgency_of(pending_)) pending_ = std::move(cause);
}

void Minimization::want_to_stop(StopReason reason, std::string_view text) {
  want(std::make_exception_ptr(StopRequest(reason, comm().rank(), std::string(text))));
}

void Minimization::take_signal() {
  if (const std::string_view signal = InterruptGuard::signal(); !signal.empty())
    want_to_stop(StopReason::signal, signal);
}

void Minimization::hand_over_pending() {
  take_signal();
  if (pending_) comm().fail(pending_);
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

// Of all that has to be the same on every rank.
std::uint64_t Minimization::fingerprint(double loss, std::span<const double> params,
                                        std::span<const double> gradient) const {
  Fingerprint hash;
  hash.add(options_);
  hash.add(step_);
  hash.add(evaluation_.randkey.has_value());
  const Key key = evaluation_.randkey.value_or(0);
  for (const std::uint32_t word : key.words()) hash.add(word);
  const auto add = [&](double number) { hash.add(without_sign_of_nan(number)); };
  add(loss);
  std::ranges::for_each(params, add);
  std::ranges::for_each(gradient, add);
  return hash.value();
}

template <class F>
void Minimization::compared(F&& body) const {
  try {
    std::forward<F>(body)();
  } catch (const DivergenceError& error) {
    throw DivergenceError(
        fmt::format("{}: expected the same on every rank, got differences at step {}, in the options of the step, in "
                    "the path up to it or in its evaluation. Give every rank the same options, learning rates, keys "
                    "and objective: {}",
                    optimizer_, step_, error.what()),
        where_);
  }
}

void Minimization::ask_objective(Point& point) {
  const std::size_t collectives = comm().collectives();
  const auto is_silent = [&] { return comm().collectives() == collectives; };
  try {
    point.loss = objective_->value_and_gradient(point.params, point.gradient, evaluation_);
  } catch (...) {
    if (!is_silent()) throw;
    comm().fail(std::current_exception());
  }
  if (is_silent()) comm().synchronize(fingerprint(point.loss, point.params, point.gradient));
}

bool Minimization::evaluate(std::span<const double> variables, Point& point) {
  space_.to_params(variables, point.params);
  locally([&] {
    if (!progress_ && comm().is_root()) progress_.emplace(std::string(optimizer_), names_);
  });
  hand_over_pending();
  comm().compare_too(fingerprint(iterate_.loss, point.params));
  try {
    compared([&] { ask_objective(point); });
  } catch (const StopRequest& stop) {
    end_by(stop);
    return false;
  } catch (...) {
    if (pending_ && urgency_of(pending_) == Urgency::failure) pending_ = nullptr;  // the others have been told
    throw;
  }
  for (std::size_t i = 0; i < point.gradient.size(); ++i) {
    if (space_.frozen()[i]) point.gradient[i] = 0.0;
  }
  return true;
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
  const std::string more = objective_->what_is_not_finite(point.params, evaluation_);
  if (!more.empty()) parts.push_back(more);
  return fmt::format("{}", fmt::join(parts, ", "));
}

void Minimization::refuse_guess(const Point& guess) {
  throw ArgumentError(fmt::format("{}: expected a guess at which loss and gradient are finite, but at {} {}. "
                                  "Start where the loss can be computed.",
                                  optimizer_, named(names_, guess.params), what_is_not_finite(guess)),
                      where_);
}

void Minimization::end(std::string message, EndReason reason) {
  hand_over_pending();
  try {
    compared([&] { comm().synchronize(fingerprint(iterate_.loss, next_params())); });
  } catch (const StopRequest& stop) {
    if (stop.reason() != StopReason::wish) return end_by(stop);
    pending_ = nullptr;
    return end(std::move(message), reason);
  } catch (...) {
    finish(std::string(exception_text(std::current_exception())), EndReason::failed);
    throw;
  }
  finish(std::move(message), reason);
}

void Minimization::end_by(const StopRequest& stop) {
  // Ctrl-C reaches all ranks, but not at the same time: one that came after this rank's last look is answered too.
  if (stop.reason() == StopReason::signal) InterruptGuard::signal();
  finish(message_of(stop), reason_of(stop));
  if (stop.reason() == StopReason::wish) return;
  warn(fmt::format("{} ended at step {}: {}. Its result holds the best point so far.", optimizer_, step_, message_));
}

void Minimization::finish(std::string message, EndReason reason) {
  progress_.reset();
  pending_ = nullptr;
  message_ = std::move(message);
  end_reason_ = reason;
}

void Minimization::warn(const std::string& text) const {
  if (comm().is_root()) emit(Severity::warning, text);
}

}  // namespace allgrad
