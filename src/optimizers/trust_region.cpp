#include "allgrad/trust_region.hpp"

#include "optimizers/arguments.hpp"
#include "optimizers/automatic_scales.hpp"
#include "optimizers/minimize.hpp"
#include "optimizers/trust_region_run.hpp"

namespace allgrad {

std::vector<Option> options_of(const TrustRegion& options) {
  const double curvature = options.curvature ? 1.0 + static_cast<double>(*options.curvature) : 0.0;
  const double solver = options.solver ? 1.0 + static_cast<double>(*options.solver) : 0.0;
  return {Option::limit("maxsteps", options.maxsteps), Option::not_negative("ftol", options.ftol),
          Option::not_negative("gtol", options.gtol),  Option{"curvature", curvature, true, ""},
          Option{"solver", solver, true, ""},          Option::positive("radius", options.radius),
          Option::every(options.checkpoint),           Option::resume(options.checkpoint)};
}

TrustRegionState::TrustRegionState(std::unique_ptr<Minimization> run) : OptimizerState(std::move(run)) {}

TrustRegionState TrustRegion::init(Objective& objective, const Guess& guess, SourceLocation where) const {
  return in_call("TrustRegion::init", where, objective.communicator(), [&] {
    const Arguments arguments{"TrustRegion", objective, guess, param_bounds, randkey, where};
    const Checked checked =
        with_scales(check_arguments(arguments, BoundsBy::optimizer, [&] { return options_of(*this); }), arguments);
    auto run = objective.communicator().guarded(
        [&] { return std::make_unique<TrustRegionRun>(*this, arguments, checked.params); },
        Operation("the start of a run", where));
    run->resume(*this, checked.identity);
    return TrustRegionState(std::move(run));
  });
}

void TrustRegion::step(TrustRegionState& state) const {
  static_cast<TrustRegionRun&>(state.run()).step(*this, [&] { return options_of(*this); });
}

OptimizeResult TrustRegion::minimize(Objective& objective, const Guess& guess, SourceLocation where) const {
  return minimize_by("TrustRegion::minimize", *this, objective, guess, where);
}

}  // namespace allgrad
