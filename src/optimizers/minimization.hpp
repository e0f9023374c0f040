#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allgrad/checkpoint.hpp"
#include "allgrad/objective.hpp"
#include "allgrad/optimizer.hpp"
#include "allgrad/params.hpp"
#include "comm/agreement.hpp"
#include "comm/stop_request.hpp"
#include "optimizers/arguments.hpp"
#include "optimizers/checkpoint_file.hpp"
#include "optimizers/param_space.hpp"
#include "optimizers/point.hpp"
#include "optimizers/progress.hpp"

namespace allgrad {

/// A minimization under way: what all optimizers have in common.
///
/// Between two evaluations a rank does what others may not do: it calls the user's functions, and may run out of
/// memory. What it wants to tell the others from there, a failure or a wish to stop, it tells when the next evaluation
/// begins; until then it stays here, so that other collectives of the user between two steps are not disturbed.
///
/// An evaluation begins and ends with a meeting of all ranks, in which they compare what they are about and agree on
/// parameters, loss and gradient to the bit: so all take the same way from there.
class Minimization {
 public:
  virtual ~Minimization() = default;
  Minimization(const Minimization&) = delete;
  Minimization& operator=(const Minimization&) = delete;

  virtual std::span<const double> next_params() const = 0;

  /// Those of rank 0, where the path ends at parameters that differ in their last bits.
  virtual void take_last_params(std::span<const double> params) = 0;

  std::size_t steps() const { return step_; }
  Iterate iterate() const;
  const BestPoint& best() const { return best_; }
  bool ended() const { return end_reason_ != EndReason::running; }
  EndReason end_reason() const { return end_reason_; }
  const std::string& message() const { return message_; }

 protected:
  Minimization(const Arguments& arguments, const Params& params, BoundsBy bounds_by);

  /// Takes the options that the next step is made with. Where they cannot be used, or are not the same on all ranks,
  /// its evaluation throws.
  void use_options(const Options& options);

  /// The parameters at `variables`, where loss and gradient are then computed. Returns false where some rank wanted to
  /// stop, which has ended this. Collective.
  bool evaluate(std::span<const double> variables, Point& point);

  /// Loss and gradient at the parameters of `point`, by this rank's objective; and what else an optimizer needs of
  /// them.
  virtual void compute(Objective& objective, Point& point);

  /// Makes numbers that each rank has computed for itself the same on all ranks; collective.
  void agree_on(const OwnNumbers& numbers);

  /// A signal that was noted becomes a wish to stop: a step ends with it, since its InterruptGuard would raise it
  /// again.
  void take_signal();

  /// Remembers `point` if it is the lowest so far.
  void remember_best(const Point& point, std::size_t step);

  /// Tells the user of the iterate, by callback and progress line, which says of how many steps and points the path is.
  void tell(const Callback& callback, bool progress, std::size_t nsteps, std::size_t points);

  /// Visits all that the run depends on but what it was made with. Between two evaluations that is a state from which
  /// it may go on.
  virtual void fields(Archive& archive);

  /// Goes on from a checkpoint if that is wanted and there is one, and returns whether it did so; collective. Throws
  /// DataError where the checkpoint cannot be used.
  bool restore(const Checkpoint& checkpoint, Identity identity, bool progress);

  /// Writes a checkpoint if one is due at this step; a failure to do so is a warning.
  void save_if_due(const Checkpoint& checkpoint);
  void save(const Checkpoint& checkpoint);

  /// Remembers the first evaluation, by which the objective is recognized.
  void remember_first(const Point& point);

  CheckpointName checkpoint_name(const Checkpoint& checkpoint) const;

  /// Runs what may fail on this rank alone; all ranks learn of it in the next evaluation.
  template <class F>
  void locally(F&& body) {
    try {
      std::forward<F>(body)();
    } catch (...) {
      if (!failure_) failure_ = std::current_exception();
    }
  }

  /// What is not finite at `point`, for the user; collective.
  std::string what_is_not_finite(const Point& point);

  /// Throws ArgumentError for a guess at which the loss is not finite; collective.
  [[noreturn]] void refuse_guess(const Point& guess);

  /// Ends it, and says what `message` returns; collective. What a rank still has to say comes first, save a wish to
  /// stop. Throws DivergenceError where the ranks have not come to the same end.
  void end(const std::function<std::string()>& message, EndReason reason);

  /// Says `text` to the user, once for all ranks.
  void warn(const std::string& text) const;

  Objective& objective() const { return *objective_; }
  const Communicator& comm() const { return objective_->communicator(); }

  std::string_view optimizer_;
  SourceLocation where_;
  ParamSpace space_;
  std::vector<std::string> names_, units_;
  std::optional<Key> randkey_;  // that the optimizer was given
  EvaluationOptions evaluation_;
  Point iterate_;                      // the last point of the path that was evaluated
  std::size_t iterate_step_ = 0;       // and its number
  std::size_t step_ = 0;               // steps taken
  std::exception_ptr callback_error_;  // what the callback threw on this rank

 private:
  void want_to_stop(StopReason reason, std::string_view text);
  void raise_failure();
  Operation operation(std::string_view what) const;
  void agree_on_results(Point& point);
  void end_by(const StopRequest& stop);
  void finish(EndReason reason);
  void check_objective(const CheckpointName& name);

  Objective* objective_;
  std::uint64_t options_ = 0;  // a fingerprint of what the next step is made with
  BestPoint best_;
  struct First {
    void fields(Archive& archive);

    std::vector<double> gradient;  // empty before the first evaluation
    double loss = 0.0;
    std::optional<Key> randkey;
  } first_;
  Identity identity_;
  bool cannot_save_ = false;  // and has said so
  std::optional<Progress> progress_;
  // What this rank wants to tell the others: a failure, or a wish to stop, which stays.
  std::exception_ptr failure_;
  std::optional<StopRequest> wish_;
  const std::uint64_t run_;                             // its number on the communicator
  const std::vector<double> scales_;                    // [ndim] of the parameters
  std::vector<double> results_;                         // loss and gradient [1 + ndim], to be agreed on
  std::vector<double> result_scales_;                   // [1 + ndim]
  double largest_loss_ = 0.0, largest_gradient_ = 0.0;  // so far
  const std::function<std::string()> details_;
  std::string message_;
  EndReason end_reason_ = EndReason::running;
};

}  // namespace allgrad
