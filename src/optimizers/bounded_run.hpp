#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "allgrad/optimize_result.hpp"
#include "optimizers/minimization.hpp"
#include "optimizers/path_record.hpp"

namespace allgrad {

/// A minimization in params / scale by an optimizer that keeps to bounds itself and judges when it has converged.
class BoundedRun : public Minimization {
 public:
  std::span<const double> next_params() const override { return iterate_.params; }
  void take_last_params(std::span<const double>) override {}  // its evaluation has made them the same
  OptimizeResult result() const;

 protected:
  enum class End { none, gradient_vanishes, loss_is_flat, plateau, limit_reached, wall_ahead, no_progress };

  /// What its optimizers have in common.
  struct RunOptions {
    explicit RunOptions(const auto& optimizer)
        : maxsteps(optimizer.maxsteps),
          ftol(optimizer.ftol),
          callback(optimizer.callback),
          progress(optimizer.progress),
          checkpoint(optimizer.checkpoint) {}

    std::size_t maxsteps;
    double ftol;
    const Callback& callback;
    bool progress;
    const Checkpoint& checkpoint;
  };

  BoundedRun(const Arguments& arguments, const Params& params);

  void fields(Archive& archive) override;

  /// Goes on from a checkpoint where that is wanted; collective.
  void resume_from(const RunOptions& options, Identity identity);

  /// Into evaluated_ and trial_. False where some rank wanted to stop.
  virtual bool evaluate_at(std::span<const double> variables);

  /// The trial point becomes the first iterate, or the next one.
  virtual void take_guess(const RunOptions& options);
  virtual void accept(const RunOptions& options);

  /// The trial point is not finite; the first of a search is looked into, since that costs evaluations.
  void count_wall(bool is_first);

  /// Runs `body` after convergence, which returns false where some rank wanted to stop: it is run again when a
  /// checkpoint goes on from there.
  template <class F>
  bool confirm_by(F body) {
    const std::size_t nfev = nfev_, backed_off = backed_off_;
    is_confirmed_ = body();
    if (is_confirmed_) return true;
    nfev_ = nfev;
    backed_off_ = backed_off;
    return false;
  }

  /// After convergence on a bound that the loss falls towards: goes on from a lower point on the way to the other side,
  /// if there is one. False where some rank wanted to stop.
  bool look_inwards(const RunOptions& options);

  /// Starts anew from the iterate, which is no step away from the one before.
  virtual void restart() = 0;

  void end_if_due(const RunOptions& options);
  EndReason reason_of(End end) const;
  virtual std::string end_message(End end) const = 0;

  /// Remembers the step from the iterate to the trial point, and forgets all but the last `memory` of these.
  void remember_pair(std::size_t memory);

  /// What is known of the curvature at the iterate.
  virtual std::vector<InverseHessian::Pair> pairs() const { return {pairs_.begin(), pairs_.end()}; }

  /// Elements of a direction, from 0.5 to 1.5, that no curvature is likely to vanish along.
  static double irregular(std::size_t i);

  static constexpr std::string_view plateau =
      "STOP: X IS ON A PLATEAU, WHERE GRADIENT AND CURVATURE ARE 0 WITHIN GTOL; START ELSEWHERE, OR SET SCALES";

  Bounds bounds_;                // of the variables
  Point evaluated_;              // in parameters, as the objective gave it
  Point trial_;                  // the same in the variables
  bool trial_is_finite_ = true;  // as the objective gave it
  Point accepted_;               // the iterate in the variables
  std::deque<InverseHessian::Pair> pairs_;
  std::size_t nfev_ = 0;
  std::size_t backed_off_ = 0;
  std::string not_finite_;
  End end_ = End::none;  // but for the limit, which may be another for the next step

 private:
  void record_iterate();
  Path path() const;
  std::optional<std::vector<double>> find_lower_inside(double ftol);

  PathRecord record_;           // of the iterates
  std::vector<double> params_;  // [iterates, ndim]
  bool is_confirmed_ = true;    // that it has converged, where it has
};

}  // namespace allgrad
