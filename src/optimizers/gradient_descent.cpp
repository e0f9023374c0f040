#include "allgrad/gradient_descent.hpp"

#include "optimizers/arguments.hpp"
#include "optimizers/descent.hpp"
#include "optimizers/minimize.hpp"

namespace allgrad {

namespace {

class AgainstGradient final : public UpdateRule {
 public:
  bool propose(double rate, std::span<const double> gradient, std::span<double> variables) override {
    for (std::size_t i = 0; i < variables.size(); ++i) variables[i] -= rate * gradient[i];
    return true;
  }
  void commit() override {}
};

// But for the learning rate, which is a function of the user.
std::vector<Option> options_of(const GradientDescent& descent) {
  return {Option::count("nsteps", descent.nsteps), Option::count("max_skips_in_a_row", descent.max_skips_in_a_row)};
}

}  // namespace

GradientDescentState::GradientDescentState(std::unique_ptr<Minimization> run) : DescentState(std::move(run)) {}

GradientDescentState GradientDescent::init(Objective& objective, const Guess& guess, SourceLocation where) const {
  const Call call("GradientDescent::init", where, objective.communicator());
  const Arguments arguments{"GradientDescent", objective, guess, param_bounds, randkey, where};
  const Params params = check_arguments(arguments, BoundsBy::transform, [&] {
    std::vector<Option> options = options_of(*this);
    options.push_back(Option::rate(learning_rate));
    return options;
  });
  return GradientDescentState(objective.communicator().guarded(
      [&] { return std::make_unique<Descent>(arguments, params); }, Operation("the start of a run", where)));
}

void GradientDescent::step(GradientDescentState& state, const std::optional<Key>& key) const {
  AgainstGradient rule;
  static_cast<Descent&>(*state.run_)
      .step({.all = [&] { return options_of(*this); },
             .nsteps = nsteps,
             .learning_rate = learning_rate,
             .randkey = key ? key : randkey,
             .next_has_other_key = key.has_value(),
             .max_skips_in_a_row = max_skips_in_a_row,
             .callback = callback,
             .progress = progress},
            rule);
}

Trajectory GradientDescent::minimize(Objective& objective, const Guess& guess, SourceLocation where) const {
  return minimize_by("GradientDescent::minimize", *this, objective, guess, where);
}

}  // namespace allgrad
