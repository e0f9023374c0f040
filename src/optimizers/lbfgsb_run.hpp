#pragma once

#include <cstddef>
#include <string>

#include "allgrad/lbfgsb.hpp"
#include "optimizers/bounded_run.hpp"
#include "optimizers/line_search.hpp"
#include "optimizers/setulb.hpp"

namespace allgrad {

/// But for what `Arguments` have.
std::vector<Option> options_of(const Lbfgsb& lbfgsb);

/// A minimization by L-BFGS-B: evaluates where Setulb asks for it, steps back from points that are not finite, and
/// decides when to end.
class LbfgsbRun final : public BoundedRun {
 public:
  LbfgsbRun(const Lbfgsb& options, const Arguments& arguments, const Params& params);

  /// Goes on from a checkpoint where that is wanted; collective.
  void resume(const Lbfgsb& options, Identity identity) { resume_from(RunOptions(options), std::move(identity)); }

  /// One iteration; collective.
  void step(const Lbfgsb& options, const Options& all);

 private:
  void fields(Archive& archive) override;
  bool answer_solver(const RunOptions& options);
  End take_iterate(const RunOptions& options);
  End judge_reduction(double ftol, double previous_loss);
  End judge_solver() const;
  bool confirm(const RunOptions& options);
  bool check_for_plateau();
  bool path_is_curved() const;
  void restart() override;
  std::string end_message(End end) const override;

  double gtol_;
  std::size_t memory_;
  Setulb::FirstStep first_step_;
  Setulb solver_;
  LineSearch search_;
  int stalls_ = 0;  // iterations in a row that gained nothing and were cut short by a wall
};

}  // namespace allgrad
