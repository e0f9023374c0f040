#include "allgrad/lbfgsb.hpp"

#include "optimizers/arguments.hpp"
#include "optimizers/automatic_scales.hpp"
#include "optimizers/lbfgsb_run.hpp"
#include "optimizers/minimize.hpp"

namespace allgrad {

std::vector<Option> options_of(const Lbfgsb& lbfgsb) {
  return {Option::limit("maxsteps", lbfgsb.maxsteps),
          Option::not_negative("ftol", lbfgsb.ftol),
          Option::not_negative("gtol", lbfgsb.gtol),
          Option::count("memory", lbfgsb.memory),
          Option::flag("scipy_path", lbfgsb.scipy_path),
          Option::every(lbfgsb.checkpoint),
          Option::resume(lbfgsb.checkpoint)};
}

LbfgsbState::LbfgsbState(std::unique_ptr<Minimization> run) : OptimizerState(std::move(run)) {}

LbfgsbState Lbfgsb::init(Objective& objective, const Guess& guess, SourceLocation where) const {
  return in_call("Lbfgsb::init", where, objective.communicator(), [&] {
    const Arguments arguments{"Lbfgsb", objective, guess, param_bounds, randkey, where};
    const Checked checked =
        with_scales(check_arguments(arguments, BoundsBy::optimizer, [&] { return options_of(*this); }), arguments);
    auto run =
        objective.communicator().guarded([&] { return std::make_unique<LbfgsbRun>(*this, arguments, checked.params); },
                                         Operation("the start of a run", where));
    run->resume(*this, checked.identity);
    return LbfgsbState(std::move(run));
  });
}

void Lbfgsb::step(LbfgsbState& state) const {
  static_cast<LbfgsbRun&>(state.run()).step(*this, [&] { return options_of(*this); });
}

OptimizeResult Lbfgsb::minimize(Objective& objective, const Guess& guess, SourceLocation where) const {
  return minimize_by("Lbfgsb::minimize", *this, objective, guess, where);
}

}  // namespace allgrad
