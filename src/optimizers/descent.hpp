#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "allgrad/key.hpp"
#include "allgrad/learning_rate.hpp"
#include "allgrad/trajectory.hpp"
#include "optimizers/minimization.hpp"
#include "optimizers/path_record.hpp"

namespace allgrad {

/// How an optimizer moves its variables once it knows the gradient by them.
class UpdateRule {
 public:
  virtual ~UpdateRule() = default;

  /// Moves `variables`. What the rule remembers of gradients changes in `commit` alone. Returns false, and moves
  /// nothing, where the gradient is so large that what it is to remember would not be finite.
  [[nodiscard]] virtual bool propose(double rate, std::span<const double> gradient, std::span<double> variables) = 0;

  /// The last proposal is taken.
  virtual void commit() = 0;
};

/// What a step is taken with.
struct DescentOptions {
  Options all;  // to be checked
  std::size_t nsteps;
  const LearningRate& learning_rate;
  std::optional<Key> randkey;
  bool next_has_other_key;  // so that a loss that is not finite may be so by chance
  std::size_t max_skips_in_a_row;
  const Callback& callback;
  bool progress;
  const Checkpoint& checkpoint;
};

/// As check_arguments, of an optimizer whose steps have a learning rate beside its options.
Checked check_descent(const Arguments& arguments, const LearningRate& learning_rate, const Options& options);

/// A minimization by steps of a given size, one evaluation each.
class Descent : public Minimization {
 public:
  Descent(const Arguments& arguments, const Params& params);

  /// Goes on from a checkpoint where that is wanted; collective.
  void resume(const DescentOptions& options, Identity identity);

  /// Collective.
  void step(const DescentOptions& options, UpdateRule& rule);

  std::span<const double> next_params() const override { return next_params_; }
  void take_last_params(std::span<const double> params) override;
  Trajectory result() const;

 protected:
  void fields(Archive& archive) override;

 private:
  void advance(const DescentOptions& options, UpdateRule& rule);
  void look_into_trial(const DescentOptions& options);
  void skip(const Point& at, const DescentOptions& options);
  void go_back();
  void end_if_due(const DescentOptions& options);
  void check_rate(const DescentOptions& options);

  std::vector<double> variables_;    // where the next evaluation is due
  std::vector<double> step_from_;    // where the last step that was taken started: there it was finite
  std::vector<double> next_params_;  // the parameters there
  std::vector<double> proposed_variables_, proposed_params_;
  std::vector<double> gradient_;  // by the variables
  Point trial_;
  PathRecord record_;         // of each step
  std::vector<double> path_;  // [steps + 1, ndim]
  std::size_t skipped_ = 0;
  std::size_t skips_in_a_row_ = 0;
  std::string skipped_at_;                                  // the parameters of the last step that was skipped
  std::string not_finite_;                                  // what was not finite, when it was last asked for
  double rate_ = std::numeric_limits<double>::quiet_NaN();  // the last learning rate that was used, if any was
  std::size_t rate_step_ = 0;                               // and its step
  bool is_stuck_ = false;  // there is no way back from where the next step would be skipped too
};

}  // namespace allgrad
