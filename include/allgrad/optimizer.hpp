#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <xtensor/xtensor.hpp>

#include "allgrad/aux_values.hpp"
#include "allgrad/never.hpp"
#include "allgrad/str_formatter.hpp"

namespace allgrad {

/// A point of an optimizer's path, as a callback sees it. Spans and references are valid until the next step.
struct Iterate {
  std::size_t step;                  ///< 0 is the guess
  double loss;                       ///< at params
  std::span<const double> params;    ///< [ndim]
  std::span<const double> gradient;  ///< [ndim], of the loss at params; 0 for frozen parameters
  const AuxValues& aux;              ///< of the loss at params
  const AuxValues& terms;            ///< of a joint fit: the loss of each model there, before its weight, by its name
};

/// What a callback answers.
enum class Control { proceed, stop };

/// Called at every point of an optimizer's path whose loss and gradient are finite, on each rank that sets one: any
/// function of an Iterate that returns nothing or a Control. If it returns Control::stop or throws on any rank, the run
/// ends on every rank at the next evaluation, with its result, which keeps what was thrown. A callback that not all
/// ranks set must not communicate. An empty std::function makes an empty Callback.
class Callback {
 public:
  Callback() = default;

  template <class F>
  requires std::is_invocable_r_v<Control, F&, const Iterate&> Callback(F function) : function_(std::move(function)) {}

  template <class F>
  requires std::same_as < std::invoke_result_t<F&, const Iterate&>,
  bool > Callback(F) {
    static_assert(detail::never<F>, "a callback returns nothing, or Control::stop or Control::proceed, and no bool");
  }

  template <class F>
  requires std::is_void_v<std::invoke_result_t<F&, const Iterate&>> Callback(F function) {
    std::function<void(const Iterate&)> told(std::move(function));
    if (!told) return;
    function_ = [told = std::move(told)](const Iterate& iterate) {
      told(iterate);
      return Control::proceed;
    };
  }

  explicit operator bool() const { return static_cast<bool>(function_); }
  Control operator()(const Iterate& iterate) const { return function_(iterate); }

 private:
  std::function<Control(const Iterate&)> function_;
};

/// The point with the lowest loss of all that were evaluated.
struct BestPoint {
  double loss = std::numeric_limits<double>::quiet_NaN();  ///< NaN where none was finite
  xt::xtensor<double, 1> params = {};                      ///< [ndim]; the guess where no loss was finite
  std::size_t step = 0;                                    ///< in which it was evaluated; 0 is the guess
};

/// Why a run ended; its `message` says it in words.
enum class EndReason {
  running,         ///< it has not ended
  steps_taken,     ///< all of nsteps
  converged,       ///< within the tolerances
  limit_reached,   ///< maxsteps, without having converged
  not_finite,      ///< the way leads on only to where the loss or its gradient is not finite
  no_progress,     ///< a line search found no lower loss
  stopped,         ///< the callback returned Control::stop
  interrupted,     ///< SIGINT or SIGTERM
  callback_threw,  ///< on some rank
  failed,          ///< the last of its steps threw on some rank
};

/// Whether a run that ended for this reason did what it was to do.
constexpr bool is_success(EndReason reason) {
  return reason == EndReason::steps_taken || reason == EndReason::converged;
}

class Minimization;

/// A minimization under way: made by an optimizer's `init`, moved on by its `step`. The same on every rank. It refers
/// to the objective, which outlives it. One that was moved from throws ArgumentError wherever it is used.
class OptimizerState {
 public:
  ~OptimizerState();
  OptimizerState(OptimizerState&&) noexcept;
  OptimizerState& operator=(OptimizerState&&) noexcept;

  /// How many steps it has taken.
  std::size_t step() const;

  /// The last point of the path that was evaluated; before the first step, the guess with a loss of NaN.
  Iterate iterate() const;

  /// [ndim], where the next step starts; valid until then.
  std::span<const double> params() const;

  /// Of all points evaluated so far.
  const BestPoint& best() const;

  /// Whether it has ended, after which a step does nothing; why; and whether it ended as it should.
  bool ended() const { return end_reason() != EndReason::running; }
  EndReason end_reason() const;
  const std::string& message() const;
  bool success() const { return is_success(end_reason()); }

 protected:
  explicit OptimizerState(std::unique_ptr<Minimization> run);
  Minimization& run() const;

 private:
  std::unique_ptr<Minimization> run_;
};

}  // namespace allgrad
