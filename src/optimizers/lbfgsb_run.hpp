#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "allgrad/lbfgsb.hpp"
#include "optimizers/line_search.hpp"
#include "optimizers/minimization.hpp"
#include "optimizers/setulb.hpp"

namespace allgrad {

/// A minimization by L-BFGS-B: evaluates where Setulb asks for it, steps back from points that are not finite, and
/// decides when to end.
class LbfgsbRun final : public Minimization {
 public:
  LbfgsbRun(const Lbfgsb& options, const Arguments& arguments, const Params& params);

  /// One iteration; collective.
  void step(const Lbfgsb& options, const Options& all);

  std::span<const double> next_params() const override { return iterate_.params; }
  void take_last_params(std::span<const double>) override {}  // its evaluation has made them the same
  OptimizeResult result() const;

 private:
  enum class End { none, gradient_vanishes, loss_is_flat, limit_reached, wall_ahead, abnormal };
  bool answer_solver(const Lbfgsb& options);
  void take_guess(const Lbfgsb& options);
  void step_back();
  End accept(const Lbfgsb& options);
  void remember_pair();
  End judge_reduction(double ftol, double previous_loss);
  End judge_solver() const;
  EndReason reason_of(End end) const;
  std::string end_message(End end) const;

  double gtol_;
  std::size_t memory_;
  Setulb solver_;
  LineSearch search_;
  Point evaluated_;  // in parameters, as the objective gave it
  Point trial_;      // the same in the solver's variables; where it was not finite, what the solver was told
  bool trial_is_finite_ = true;  // as the objective gave it
  Point accepted_;               // the iterate in the solver's variables
  std::deque<InverseHessian::Pair> pairs_;
  std::size_t nfev_ = 0;
  std::size_t backed_off_ = 0;
  std::string not_finite_;
  int stalls_ = 0;  // iterations in a row that gained nothing and were cut short by a wall
};

}  // namespace allgrad
