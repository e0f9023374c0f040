#include "allgrad/gradient_descent.hpp"

#include "optimizers/arguments.hpp"
#include "optimizers/descent.hpp"
#include "optimizers/interrupt.hpp"

namespace allgrad {

namespace {

class AgainstGradient final : public UpdateRule {
 public:
  void propose(double rate, std::span<const double> gradient, std::span<double> variables) override {
    for (std::size_t i = 0; i < variables.size(); ++i) variables[i] -= rate * gradient[i];
  }
  void commit() override {}
};

}  // namespace

GradientDescentState::GradientDescentState(std::unique_ptr<Minimization> run) : DescentState(std::move(run)) {}

GradientDescentState GradientDescent::init(Objective& objective, const Guess& guess, SourceLocation where) const {
  const Arguments arguments{"GradientDescent", objective, guess, param_bounds, randkey, where};
  const Params params = check_arguments(arguments, BoundsBy::transform, [&] {
    return std::vector{Option::count("nsteps", nsteps), Option::rate(learning_rate),
                       Option::count("max_skips_in_a_row", max_skips_in_a_row)};
  });
  return GradientDescentState(
      objective.communicator().guarded([&] { return std::make_unique<Descent>(arguments, params); }));
}

void GradientDescent::step(GradientDescentState& state, const std::optional<Key>& key) const {
  AgainstGradient rule;
  static_cast<Descent&>(*state.run_)
      .step({.nsteps = nsteps,
             .learning_rate = learning_rate,
             .randkey = key ? key : randkey,
             .next_has_other_key = key.has_value(),
             .max_skips_in_a_row = max_skips_in_a_row,
             .callback = callback,
             .progress = progress},
            rule);
}

Trajectory GradientDescent::minimize(Objective& objective, const Guess& guess, SourceLocation where) const {
  const InterruptGuard interrupts;
  GradientDescentState state = init(objective, guess, where);
  while (!state.ended()) step(state);
  return objective.communicator().guarded([&] { return state.result(); });
}

}  // namespace allgrad
