#include "optimizers/trust_region_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "allgrad/error.hpp"
#include "base/eigensystem.hpp"
#include "base/interrupt.hpp"
#include "comm/call.hpp"
#include "uncertainty/positive_definite.hpp"

namespace allgrad {

namespace {

// How well the model predicts the loss decides on the radius: fractions of the predicted decrease.
constexpr double poor = 0.25, good = 0.75, grow = 2.0;

// Of a step to where the loss is not finite.
constexpr double radius_shrink = 0.25;

/// The part of a step at which the parabola with the slope at its start and the rise at its end is lowest, within
/// limits.
double shortened_step(double slope, double rise) {
  constexpr double least = 0.1, most = 0.5;
  return rise > slope ? std::clamp(-0.5 * slope / (rise - slope), least, most) : least;
}

// Steps that are this much shorter than the variables are lost in rounding.
constexpr double shortest_step = 4.0 * std::numeric_limits<double>::epsilon();

constexpr std::string_view optimizer = "TrustRegion";

TrustRegionSolver solver_of(const TrustRegion& options, const Objective& objective, std::size_t num_variables,
                            SourceLocation where) {
  constexpr std::size_t few = 32;
  const bool is_exact = options.curvature.value_or(Curvature::exact) == Curvature::exact;
  const bool prefers_products = num_variables > few && !options.curvature && objective.has_hessian_product();
  const TrustRegionSolver solver = options.solver.value_or(prefers_products ? TrustRegionSolver::conjugate_gradients
                                                                            : TrustRegionSolver::eigenvalues);
  if (solver == TrustRegionSolver::eigenvalues || (is_exact && objective.has_hessian_product())) return solver;
  throw ArgumentError(
      fmt::format("{}: expected {} for conjugate gradients, got {}; leave .{} out", optimizer,
                  is_exact ? "an objective with products of its Hessian with vectors" : "the exact curvature",
                  is_exact ? "one without" : "Curvature::gauss_newton", is_exact ? "solver" : "curvature"),
      where);
}

/// Of the matrix, where one is needed.
Curvature curvature_of(const TrustRegion& options, TrustRegionSolver solver, const Objective& objective,
                       SourceLocation where) {
  if (solver == TrustRegionSolver::conjugate_gradients) return Curvature::exact;
  const bool any = objective.has_hessian(Curvature::gauss_newton);
  const Curvature wanted = options.curvature.value_or(any ? Curvature::gauss_newton : Curvature::exact);
  if (objective.has_hessian(wanted)) return wanted;
  throw ArgumentError(
      fmt::format("{}: expected an objective with {}, got one without; {}", optimizer,
                  wanted == Curvature::exact ? "second derivatives" : "the Gauss-Newton matrix",
                  wanted == Curvature::exact ? "compile its loss, use Lbfgsb, or override value_gradient_and_hessian"
                                             : "leave .curvature out, or write the loss as a model's"),
      where);
}

/// Whether the loss falls along directions of which the Gauss-Newton matrix says nothing. A loss that is made of
/// squares has none; one that is a sum over rows, such as a likelihood, has many.
bool leaves_gradient_out(const QuadraticModel& model) {
  constexpr double tiny = 1e-100;  // squares of such gradients vanish
  const double size = model.gradient.norm();
  if (!(size > tiny)) return false;
  const Eigensystem eigen = eigensystem(model.curvature);
  const double threshold = 1e-12 * eigen.values.cwiseAbs().maxCoeff();
  const Eigen::VectorXd along = eigen.vectors.transpose() * model.gradient;
  return (eigen.values.array().abs() <= threshold).select(along.array(), 0.0).matrix().norm() > 1e-3 * size;
}

}  // namespace

TrustRegionRun::TrustRegionRun(const TrustRegion& options, const Arguments& arguments, const Params& params)
    : BoundedRun(arguments, params),
      solver_(solver_of(options, arguments.objective, space_.num_variables(), arguments.where)),
      is_exact_(curvature_of(options, solver_, arguments.objective, arguments.where) == Curvature::exact),
      may_choose_(!options.curvature && !is_exact_ && arguments.objective.has_hessian(Curvature::exact)),
      evaluated_hessian_(solver_ == TrustRegionSolver::eigenvalues ? space_.num_params() * space_.num_params() : 0),
      hessian_scales_(evaluated_hessian_.size()),
      hessian_(evaluated_hessian_.size()),
      first_radius_(options.radius),
      radius_(options.radius) {}

void TrustRegionRun::step(const TrustRegion& trust_region, const Options& all) {
  if (ended()) return;
  in_call(optimizer_, where_, comm(), [&] {
    const InterruptGuard interrupts;
    const RunOptions options(trust_region);
    const double gtol = trust_region.gtol;
    use_options(all);
    if (nfev_ == 0 && !start(options)) return save(options.checkpoint);
    if (may_choose_ && !choose_curvature()) return save(options.checkpoint);
    end_ = judge_point(gtol);
    for (const std::size_t before = step_; step_ == before && end_ == End::none;) {
      if (!try_step(options, gtol)) return save(options.checkpoint);
    }
    if (end_ == End::none) end_ = judge_point(gtol);
    const auto confirm = [&] { return !is_success(reason_of(end_)) || look_inwards(options); };
    if (!confirm_by(confirm)) return save(options.checkpoint);
    end_if_due(options);
    if (!ended()) take_signal();
    save_if_due(options.checkpoint);
  });
}

void TrustRegionRun::fields(Archive& archive) {
  BoundedRun::fields(archive);
  archive(hessian_, radius_, met_wall_, is_exact_, may_choose_);
}

void TrustRegionRun::compute(Objective& objective, Point& point) {
  if (solver_ == TrustRegionSolver::conjugate_gradients) return BoundedRun::compute(objective, point);
  const Curvature curvature = is_exact_ ? Curvature::exact : Curvature::gauss_newton;
  point.loss =
      objective.value_gradient_and_hessian(point.params, point.gradient, evaluated_hessian_, curvature, evaluation_);
}

bool TrustRegionRun::evaluate_at(std::span<const double> variables) {
  if (!BoundedRun::evaluate_at(variables)) return false;
  if (evaluated_hessian_.empty()) return true;
  const std::size_t n = space_.num_params();
  for (std::size_t i = 0; i < n * n; ++i) {
    const double size = std::abs(evaluated_hessian_[(i / n) * (n + 1)] * evaluated_hessian_[(i % n) * (n + 1)]);
    hessian_scales_[i] = std::isfinite(size) ? std::sqrt(size) : 0.0;
  }
  agree_on({"second derivatives", evaluated_hessian_, hessian_scales_});
  trial_is_finite_ = trial_is_finite_ && all_finite(evaluated_hessian_);
  return true;
}

// At the guess. False where some rank wanted to stop.
bool TrustRegionRun::start(const RunOptions& options) {
  if (!evaluate_at(accepted_.params)) return false;
  if (!evaluated_.finite()) refuse_guess(evaluated_);
  if (!trial_is_finite_) {
    throw ArgumentError(
        "TrustRegion: expected a guess at which the second derivatives of the loss are finite, got one "
        "at which they are not; start elsewhere, or use Lbfgsb",
        where_);
  }
  take_guess(options);
  hessian_ = evaluated_hessian_;
  return true;
}

// At the guess too. False where some rank wanted to stop: it is tried again when a checkpoint goes on from there.
bool TrustRegionRun::choose_curvature() {
  if (leaves_gradient_out(model())) {
    is_exact_ = true;
    const bool is_evaluated = evaluate_at(accepted_.params);
    is_exact_ = is_evaluated && trial_is_finite_;  // else it goes on with what is finite
    if (!is_evaluated) return false;
    if (is_exact_) hessian_ = evaluated_hessian_;
  }
  may_choose_ = false;
  return true;
}

Eigen::Map<const Eigen::VectorXd> TrustRegionRun::at() const {
  return {accepted_.params.data(), static_cast<Eigen::Index>(accepted_.params.size())};
}

Eigen::Map<const Eigen::VectorXd> TrustRegionRun::gradient() const {
  return {accepted_.gradient.data(), static_cast<Eigen::Index>(accepted_.gradient.size())};
}

/// Of the Hessian at the iterate and a vector, both by the variables. Collective.
Eigen::VectorXd TrustRegionRun::product(const Eigen::VectorXd& vector) {
  const auto agreed = [&](std::string_view name, std::vector<double> numbers) {
    const std::vector<double> sizes(numbers.size(), size_of(numbers));
    agree_on({name, numbers, sizes});
    return numbers;
  };
  std::vector<double> direction = space_.spread({vector.data(), bounds_.size()});
  const std::vector<double> scales = space_.scales();
  std::ranges::transform(direction, scales, direction.begin(), std::multiplies<>());
  direction = agreed("a direction", std::move(direction));
  std::vector<double> result(direction.size());
  comm().attempt([&] { objective().hessian_product(iterate_.params, direction, result, evaluation_); });
  result = agreed("a product with second derivatives", std::move(result));
  Eigen::VectorXd by_variables(vector.size());
  space_.chain(accepted_.params, result, {by_variables.data(), bounds_.size()});
  return by_variables;
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
  return {gradient(), units.asDiagonal() * symmetric(hessian_, space_.num_params())(free, free) * units.asDiagonal()};
}

// False where some rank wanted to stop.
bool TrustRegionRun::try_step(const RunOptions& options, double gtol) {
  if (solver_ == TrustRegionSolver::eigenvalues) return try_step(model(), options, gtol);
  return try_step(ProductModel{gradient(), [this](const Eigen::VectorXd& vector) { return product(vector); }}, options,
                  gtol);
}

bool TrustRegionRun::try_step(const auto& quadratic, const RunOptions& options, double gtol) {
  const BoundedStep bounded = bounded_step(quadratic, at(), bounds_, radius_);
  const double predicted = -change(quadratic, bounded.step), length = bounded.step.norm();
  if (!(length > shortest_step * at().norm())) {
    const bool is_minimum = projected_gradient(gradient(), at(), bounds_).lpNorm<Eigen::Infinity>() <= gtol;
    end_ = is_minimum ? End::gradient_vanishes : met_wall_ ? End::wall_ahead : End::no_progress;
    return true;
  }
  std::vector<double> variables(accepted_.params.size());
  Eigen::Map<Eigen::VectorXd>(variables.data(), at().size()) = at() + bounded.step;
  for (std::size_t i = 0; i < variables.size(); ++i) {  // on a bound to the bit
    variables[i] = std::clamp(variables[i], bounds_[i].low, bounds_[i].high);
  }
  if (!evaluate_at(variables)) return false;
  if (!trial_is_finite_) {
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
    radius_ = length * shortened_step(quadratic.gradient.dot(bounded.step), -decrease);
  } else if (quality > good && bounded.meets_radius && !is_lost) {
    radius_ *= grow;
  }
  const bool is_flat = std::abs(decrease) <= options.ftol * largest && predicted <= options.ftol * largest;
  if (quality > 1e-4) accept(options);
  if (is_flat && !bounded.meets_radius) end_ = End::loss_is_flat;
  return true;
}

void TrustRegionRun::step_back(const BoundedStep& bounded) {
  if (evaluated_.finite()) {
    not_finite_ = "the second derivatives are not finite";
    ++backed_off_;
  } else {
    count_wall(!met_wall_);
  }
  met_wall_ = true;
  radius_ = radius_shrink * bounded.step.norm();
}

void TrustRegionRun::accept(const RunOptions& options) {
  met_wall_ = false;
  hessian_ = evaluated_hessian_;
  constexpr std::size_t memory = 10;
  if (solver_ == TrustRegionSolver::conjugate_gradients) locally([&] { remember_pair(memory); });
  BoundedRun::accept(options);
}

TrustRegionRun::End TrustRegionRun::judge_point(double gtol) {
  if (end_ != End::none) return end_;
  if (projected_gradient(gradient(), at(), bounds_).lpNorm<Eigen::Infinity>() > gtol) return End::none;
  const auto free = free_variables(gradient(), at(), bounds_);
  if (free.empty()) return End::gradient_vanishes;
  return solver_ == TrustRegionSolver::eigenvalues ? judge_by_matrix(free, gtol) : judge_by_product(free, gtol);
}

TrustRegionRun::End TrustRegionRun::judge_by_matrix(const std::vector<Eigen::Index>& free, double gtol) const {
  const Eigen::MatrixXd curvature = model().curvature(free, free);
  if (gradient()(free).isZero(0.0)) {
    if (curvature.isZero(0.0)) return End::plateau;
  } else if (curvature.lpNorm<Eigen::Infinity>() <= gtol) {
    return End::none;
  }
  const Eigen::VectorXd eigenvalues = eigensystem(curvature).values;
  constexpr double rounding = 1e-8;
  const bool is_saddle = eigenvalues(0) < -rounding * eigenvalues.cwiseAbs().maxCoeff();
  return is_saddle ? End::none : End::gradient_vanishes;
}

// Along a direction that nothing is likely to be orthogonal to.
TrustRegionRun::End TrustRegionRun::judge_by_product(const std::vector<Eigen::Index>& free, double gtol) {
  Eigen::VectorXd direction = Eigen::VectorXd::Zero(at().size());
  for (const Eigen::Index i : free) direction(i) = irregular(static_cast<std::size_t>(i));
  const Eigen::VectorXd change = product(direction)(free);
  if (gradient()(free).isZero(0.0)) return change.isZero(0.0) ? End::plateau : End::gradient_vanishes;
  return change.lpNorm<Eigen::Infinity>() <= gtol ? End::none : End::gradient_vanishes;
}

std::string TrustRegionRun::end_message(End end) const {
  switch (end) {
    case End::none: return {};
    case End::gradient_vanishes: return "CONVERGENCE: NORM OF PROJECTED GRADIENT <= GTOL";
    case End::loss_is_flat: return "CONVERGENCE: RELATIVE REDUCTION OF LOSS <= FTOL";
    case End::plateau: return std::string(plateau);
    case End::limit_reached: return "STOP: TOTAL NO. OF ITERATIONS REACHED LIMIT";
    case End::wall_ahead:
      return fmt::format("STOP: THE LOSS OR ITS DERIVATIVES ARE NOT FINITE AT POINTS CLOSE TO X: {}", not_finite_);
    case End::no_progress: return "STOP: NO STEP LEADS TO A LOWER LOSS";
  }
  return {};
}

// The eigenvectors of the curvature are conjugate steps, from which the product with its inverse follows exactly.
std::vector<InverseHessian::Pair> TrustRegionRun::pairs() const {
  if (solver_ == TrustRegionSolver::conjugate_gradients) return BoundedRun::pairs();
  if (nfev_ == 0) return {};
  const Eigensystem eigen = eigensystem(model().curvature);
  std::vector<InverseHessian::Pair> pairs;
  for (Eigen::Index k = 0; k < eigen.values.size(); ++k) {
    const double eigenvalue = eigen.values(k);
    if (eigenvalue <= std::numeric_limits<double>::epsilon() * eigen.values.maxCoeff()) continue;
    const Eigen::VectorXd step = eigen.vectors.col(k), change = eigenvalue * step;
    pairs.push_back({space_.spread({step.data(), bounds_.size()}), space_.spread({change.data(), bounds_.size()})});
  }
  return pairs;
}

OptimizeResult TrustRegionState::result() const { return static_cast<const TrustRegionRun&>(run()).result(); }

}  // namespace allgrad
