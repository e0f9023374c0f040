#pragma once

#include <span>
#include <string>
#include <vector>

#include "allgrad/trust_region.hpp"
#include "optimizers/bounded_run.hpp"
#include "optimizers/trust_region_step.hpp"

namespace allgrad {

/// But for what `Arguments` have.
std::vector<Option> options_of(const TrustRegion& trust_region);

/// A minimization by steps in a trust region.
class TrustRegionRun final : public BoundedRun {
 public:
  TrustRegionRun(const TrustRegion& options, const Arguments& arguments, const Params& params);

  /// Goes on from a checkpoint where that is wanted; collective.
  void resume(const TrustRegion& options, Identity identity) { resume_from(RunOptions(options), std::move(identity)); }

  /// One iteration; collective.
  void step(const TrustRegion& options, const Options& all);

 private:
  void fields(Archive& archive) override;
  void compute(Objective& objective, Point& point) override;
  bool evaluate_at(std::span<const double> variables) override;
  bool start(const RunOptions& options);
  bool choose_curvature();
  bool try_step(const RunOptions& options, double gtol);
  bool try_step(const auto& model, const RunOptions& options, double gtol);
  void step_back(const BoundedStep& step);
  void accept(const RunOptions& options) override;
  void restart() override { radius_ = first_radius_; }
  End judge_point(double gtol);
  End judge_by_matrix(const std::vector<Eigen::Index>& free, double gtol) const;
  End judge_by_product(const std::vector<Eigen::Index>& free, double gtol);
  std::string end_message(End end) const override;
  QuadraticModel model() const;
  Eigen::VectorXd product(const Eigen::VectorXd& vector);
  Eigen::Map<const Eigen::VectorXd> gradient() const;
  std::vector<InverseHessian::Pair> pairs() const override;
  Eigen::Map<const Eigen::VectorXd> at() const;

  TrustRegionSolver solver_;
  bool is_exact_;    // the curvature, or the Gauss-Newton matrix
  bool may_choose_;  // another one, at the guess
  std::vector<double> evaluated_hessian_, hessian_scales_;
  std::vector<double> hessian_;  // of the iterate, by parameters; these are empty where it takes products alone
  double first_radius_, radius_;
  bool met_wall_ = false;  // since the last step that was taken
};

}  // namespace allgrad
