#include "optimizers/trust_region_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "allgrad/error.hpp"
#include "base/interrupt.hpp"
#include "comm/call.hpp"
#include "uncertainty/positive_definite.hpp"

namespace allgrad {

namespace {

// How well the model predicts the loss decides on the radius: fractions of the predicted decrease.
constexpr double poor = 0.25, good = 0.75, grow = 2.0;

// Of a step to where the loss is not finite.
constexpr double shrink = 0.25;

/// The part of a step at which the parabola with the slope at its start and the rise at its end is lowest, within
/// limits.
double shortened(double slope, double rise) {
  constexpr double least = 0.1, most = 0.5;
  return rise > slope ? std::clamp(-0.5 * slope / (rise - slope), least, most) : least;
}

// Steps that are this much shorter than the variables are lost in rounding.
constexpr double shortest = 4.0 * std::numeric_limits<double>::epsilon();

Curvature curvature_of(const TrustRegion& options, const Objective& objective, SourceLocation where) {
  const bool any = objective.has_hessian(Curvature::gauss_newton);
  const Curvature wanted = options.curvature.value_or(any ? Curvature::gauss_newton : Curvature::exact);
  if (objective.has_hessian(wanted)) return wanted;
  throw ArgumentError(
      fmt::format("TrustRegion: expected an objective with {}, got one without; {}",
                  wanted == Curvature::exact ? "second derivatives" : "the Gauss-Newton matrix",
                  wanted == Curvature::exact ? "compile its loss, use Lbfgsb, or override value_gradient_and_hessian"
                                             : "leave .curvature out, or write the loss as a model's"),
      where);
}

}  // namespace

TrustRegionRun::TrustRegionRun(const TrustRegion& options, const Arguments& arguments, const Params& params)
    : Minimization(arguments, params, BoundsBy::optimizer),
      curvature_(curvature_of(options, arguments.objective, arguments.where)),
      bounds_(space_.bounds()),
      evaluated_(iterate_),
      evaluated_hessian_(space_.num_params() * space_.num_params()),
      hessian_scales_(evaluated_hessian_.size()),
      variables_(space_.start()),
      gradient_(variables_.size()),
      hessian_(evaluated_hessian_.size()),
      radius_(options.radius) {}

void TrustRegionRun::step(const TrustRegion& options, const Options& all) {
  if (ended()) return;
  in_call(optimizer_, where_, comm(), [&] {
    const InterruptGuard interrupts;
    use_options(all);
    if (nfev_ == 0 && !take_guess(options)) return save(options.checkpoint);
    end_ = judge_point(options.gtol);
    for (const std::size_t before = step_; step_ == before && end_ == End::none;) {
      if (!try_step(options)) return save(options.checkpoint);
    }
    if (end_ == End::none) end_ = judge_point(options.gtol);
    end_if_due(options);
    if (!ended()) take_signal();
    save_if_due(options.checkpoint);
  });
}

void TrustRegionRun::end_if_due(const TrustRegion& options) {
  const End due = end_ == End::none && step_ >= options.maxsteps ? End::limit_reached : end_;
  if (due != End::none) end([&] { return end_message(due); }, reason_of(due));
}

void TrustRegionRun::fields(Archive& archive) {
  Minimization::fields(archive);
  archive(variables_, gradient_, hessian_, radius_, nfev_, backed_off_, met_wall_, not_finite_, end_);
}

void TrustRegionRun::resume(const TrustRegion& options, Identity identity) {
  if (restore(options.checkpoint, std::move(identity), options.progress) && !ended()) end_if_due(options);
}

void TrustRegionRun::compute(Objective& objective, Point& point) {
  point.loss =
      objective.value_gradient_and_hessian(point.params, point.gradient, evaluated_hessian_, curvature_, evaluation_);
}

// False where some rank wanted to stop.
bool TrustRegionRun::evaluate_at(std::span<const double> variables) {
  if (!evaluate(variables, evaluated_)) return false;
  const std::size_t n = space_.num_params();
  for (std::size_t i = 0; i < n * n; ++i) {
    const double size = std::abs(evaluated_hessian_[(i / n) * (n + 1)] * evaluated_hessian_[(i % n) * (n + 1)]);
    hessian_scales_[i] = std::isfinite(size) ? std::sqrt(size) : 0.0;
  }
  agree_on({"second derivatives", evaluated_hessian_, hessian_scales_});
  evaluated_is_finite_ = evaluated_.finite() && all_finite(evaluated_hessian_);
  ++nfev_;
  return true;
}

bool TrustRegionRun::take_guess(const TrustRegion& options) {
  if (!evaluate_at(variables_)) return false;
  if (!evaluated_.finite()) refuse_guess(evaluated_);
  if (!evaluated_is_finite_) {
    throw ArgumentError(
        "TrustRegion: expected a guess at which the second derivatives of the loss are finite, got one "
        "at which they are not; start elsewhere, or use Lbfgsb",
        where_);
  }
  iterate_ = evaluated_;
  hessian_ = evaluated_hessian_;
  space_.chain(variables_, iterate_.gradient, gradient_);
  remember_first(evaluated_);
  remember_best(evaluated_, 0);
  tell(options.callback, options.progress, options.maxsteps, options.maxsteps + 1);
  return true;
}

Eigen::Map<const Eigen::VectorXd> TrustRegionRun::at() const {
  return {variables_.data(), static_cast<Eigen::Index>(variables_.size())};
}

// By the variables, about the iterate.
QuadraticModel TrustRegionRun::model() const {
  std::vector<Eigen::Index> free;
  std::vector<double> scale;
  const std::vector<double> scales = space_.scales();
  for (std::size_t i = 0; i < scales.size(); ++i) {
    if (space_.frozen()[i]) continue;
    free.push_back(static_cast<Eigen::Index>(i));
    scale.push_back(scales[i]);
  }
  const Eigen::Map<const Eigen::VectorXd> units(scale.data(), static_cast<Eigen::Index>(scale.size()));
  return {Eigen::Map<const Eigen::VectorXd>(gradient_.data(), static_cast<Eigen::Index>(gradient_.size())),
          units.asDiagonal() * symmetric(hessian_, space_.num_params())(free, free) * units.asDiagonal()};
}

// False where some rank wanted to stop.
bool TrustRegionRun::try_step(const TrustRegion& options) {
  const QuadraticModel quadratic = model();
  const BoundedStep bounded = bounded_step(quadratic, at(), bounds_, radius_);
  const double predicted = -quadratic.change(bounded.step), length = bounded.step.norm();
  if (!(length > shortest * at().norm())) {
    end_ = met_wall_ ? End::wall_ahead : End::no_progress;
    return true;
  }
  std::vector<double> variables(variables_.size());
  Eigen::Map<Eigen::VectorXd>(variables.data(), at().size()) = at() + bounded.step;
  for (std::size_t i = 0; i < variables.size(); ++i) {  // on a bound to the bit
    variables[i] = std::clamp(variables[i], bounds_[i].low, bounds_[i].high);
  }
  if (!evaluate_at(variables)) return false;
  if (!evaluated_is_finite_) {
    step_back(bounded);
    return true;
  }
  remember_best(evaluated_, step_ + 1);
  const double largest = std::max({std::abs(iterate_.loss), std::abs(evaluated_.loss), 1.0});
  const double decrease = iterate_.loss - evaluated_.loss;
  const double rounding = 10.0 * std::numeric_limits<double>::epsilon() * largest;
  const bool is_lost = predicted <= rounding && std::abs(decrease) <= rounding;
  const double quality = is_lost ? 1.0 : decrease / predicted;
  if (quality < poor) {
    radius_ = length * shortened(quadratic.gradient.dot(bounded.step), -decrease);
  } else if (quality > good && bounded.meets_radius) {
    radius_ *= grow;
  }
  if (!(quality > 1e-4)) return true;
  const bool is_flat = decrease <= options.ftol * largest && predicted <= options.ftol * largest;
  variables_ = variables;
  accept(options);
  if (is_flat && !bounded.meets_radius) end_ = End::loss_is_flat;
  return true;
}

void TrustRegionRun::step_back(const BoundedStep& bounded) {
  if (!met_wall_) {  // once for each step, since it costs evaluations
    not_finite_ = evaluated_.finite() ? "the second derivatives are not finite" : what_is_not_finite(evaluated_);
  }
  met_wall_ = true;
  ++backed_off_;
  radius_ = shrink * bounded.step.norm();
}

void TrustRegionRun::accept(const TrustRegion& options) {
  met_wall_ = false;
  iterate_ = evaluated_;
  hessian_ = evaluated_hessian_;
  space_.chain(variables_, iterate_.gradient, gradient_);
  iterate_step_ = ++step_;
  tell(options.callback, options.progress, options.maxsteps, options.maxsteps + 1);
}

TrustRegionRun::End TrustRegionRun::judge_point(double gtol) const {
  if (end_ != End::none) return end_;
  const QuadraticModel quadratic = model();
  if (projected_gradient(quadratic.gradient, at(), bounds_).lpNorm<Eigen::Infinity>() > gtol) return End::none;
  const auto free = free_variables(quadratic.gradient, at(), bounds_);
  if (free.empty()) return End::gradient_vanishes;
  const Eigen::MatrixXd curvature = quadratic.curvature(free, free);
  if (curvature.isZero(0.0) && quadratic.gradient(free).isZero(0.0)) return End::plateau;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(curvature, Eigen::EigenvaluesOnly);
  constexpr double rounding = 1e-8;
  const bool is_saddle = eigen.eigenvalues()(0) < -rounding * eigen.eigenvalues().cwiseAbs().maxCoeff();
  return is_saddle ? End::none : End::gradient_vanishes;
}

EndReason TrustRegionRun::reason_of(End end) const {
  switch (end) {
    case End::none: return EndReason::running;
    case End::gradient_vanishes:
    case End::loss_is_flat: return EndReason::converged;
    case End::limit_reached: return EndReason::limit_reached;
    case End::wall_ahead: return EndReason::not_finite;
    case End::plateau:
    case End::no_progress: return EndReason::no_progress;
  }
  return EndReason::failed;
}

std::string TrustRegionRun::end_message(End end) const {
  switch (end) {
    case End::none: return {};
    case End::gradient_vanishes: return "CONVERGENCE: NORM OF PROJECTED GRADIENT <= GTOL";
    case End::loss_is_flat: return "CONVERGENCE: RELATIVE REDUCTION OF LOSS <= FTOL";
    case End::plateau: return "STOP: GRADIENT AND CURVATURE ARE 0 AT X, WHICH IS ON A PLATEAU; START ELSEWHERE";
    case End::limit_reached: return "STOP: TOTAL NO. OF ITERATIONS REACHED LIMIT";
    case End::wall_ahead:
      return fmt::format("STOP: THE LOSS OR ITS DERIVATIVES ARE NOT FINITE AT POINTS CLOSE TO X: {}", not_finite_);
    case End::no_progress: return "STOP: NO STEP LEADS TO A LOWER LOSS";
  }
  return {};
}

OptimizeResult TrustRegionRun::result() const {
  const std::array shape{space_.num_params()};
  OptimizeResult result{.message = message(),
                        .end_reason = end_reason(),
                        .success = is_success(end_reason()),
                        .fun = iterate_.loss,
                        .x = xt::xtensor<double, 1>(shape),
                        .jac = xt::xtensor<double, 1>(shape),
                        .nfev = nfev_,
                        .nit = step_,
                        .hess_inv = InverseHessian(space_.scales(), pairs()),
                        .best = best(),
                        .backed_off = backed_off_,
                        .not_finite = not_finite_,
                        .names = names_,
                        .callback_error = callback_error_};
  std::ranges::copy(iterate_.params, result.x.begin());
  std::ranges::copy(iterate_.gradient, result.jac.begin());
  for (const std::size_t i : space_.at_bounds(iterate_.params)) result.at_bounds.push_back(names_[i]);
  return result;
}

// The eigenvectors of the curvature are conjugate steps, from which the product with its inverse follows exactly.
std::vector<InverseHessian::Pair> TrustRegionRun::pairs() const {
  if (nfev_ == 0) return {};
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(model().curvature);
  std::vector<InverseHessian::Pair> pairs;
  for (Eigen::Index k = 0; k < eigen.eigenvalues().size(); ++k) {
    const double eigenvalue = eigen.eigenvalues()(k);
    if (eigenvalue <= std::numeric_limits<double>::epsilon() * eigen.eigenvalues().maxCoeff()) continue;
    const Eigen::VectorXd step = eigen.eigenvectors().col(k), change = eigenvalue * step;
    pairs.push_back(
        {space_.spread({step.data(), variables_.size()}), space_.spread({change.data(), variables_.size()})});
  }
  return pairs;
}

OptimizeResult TrustRegionState::result() const { return static_cast<const TrustRegionRun&>(run()).result(); }

}  // namespace allgrad
