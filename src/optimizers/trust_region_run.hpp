#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "allgrad/trust_region.hpp"
#include "optimizers/minimization.hpp"
#include "optimizers/trust_region_step.hpp"

namespace allgrad {

/// A minimization by steps in a trust region.
class TrustRegionRun final : public Minimization {
 public:
  TrustRegionRun(const TrustRegion& options, const Arguments& arguments, const Params& params);

  /// Goes on from a checkpoint where that is wanted; collective.
  void resume(const TrustRegion& options, Identity identity);

  /// One iteration; collective.
  void step(const TrustRegion& options, const Options& all);

  std::span<const double> next_params() const override { return iterate_.params; }
  void take_last_params(std::span<const double>) override {}  // its evaluation has made them the same
  OptimizeResult result() const;

 private:
  enum class End { none, gradient_vanishes, loss_is_flat, plateau, limit_reached, wall_ahead, no_progress };

  void fields(Archive& archive) override;
  void compute(Objective& objective, Point& point) override;
  bool evaluate_at(std::span<const double> variables);
  bool take_guess(const TrustRegion& options);
  bool try_step(const TrustRegion& options);
  void step_back(const BoundedStep& step);
  void accept(const TrustRegion& options);
  End judge_point(double gtol) const;
  void end_if_due(const TrustRegion& options);
  EndReason reason_of(End end) const;
  std::string end_message(End end) const;
  QuadraticModel model() const;
  std::vector<InverseHessian::Pair> pairs() const;
  Eigen::Map<const Eigen::VectorXd> at() const;

  Curvature curvature_;
  Bounds bounds_;
  Point evaluated_;                   // in parameters, as the objective gave it
  bool evaluated_is_finite_ = false;  // its curvature, too
  std::vector<double> evaluated_hessian_, hessian_scales_;
  std::vector<double> variables_, gradient_;  // of the iterate
  std::vector<double> hessian_;               // of the iterate, by parameters
  double radius_;
  std::size_t nfev_ = 0;
  std::size_t backed_off_ = 0;
  bool met_wall_ = false;  // since the last step that was taken
  std::string not_finite_;
  End end_ = End::none;  // but for the limit, which may be another for the next step
};

}  // namespace allgrad
