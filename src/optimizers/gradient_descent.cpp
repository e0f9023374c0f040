#include "allgrad/gradient_descent.hpp"

#include "base/finite.hpp"
#include "optimizers/arguments.hpp"
#include "optimizers/descent.hpp"
#include "optimizers/minimize.hpp"

namespace allgrad {

namespace {

class AgainstGradient final : public UpdateRule {
 public:
  bool propose(double rate, std::span<const double> gradient, std::span<double> variables) override {
    if (!all_finite(gradient)) return false;
    for (std::size_t i = 0; i < variables.size(); ++i) variables[i] -= rate * gradient[i];
    return true;
  }
  void commit() override {}
};

// But for the learning rate, which is a function of the user.
std::vector<Option> options_of_descent(const GradientDescent& descent) {
  return {Option::limit("nsteps", descent.nsteps), Option::limit("max_skips_in_a_row", descent.max_skips_in_a_row),
          Option::every(descent.checkpoint), Option::resume(descent.checkpoint)};
}

DescentOptions descent_options(const GradientDescent& descent, const std::optional<Key>& key) {
  return {.all = [&descent] { return options_of_descent(descent); },
          .nsteps = descent.nsteps,
          .learning_rate = descent.learning_rate,
          .randkey = key ? key : descent.randkey,
          .next_has_other_key = key.has_value(),
          .max_skips_in_a_row = descent.max_skips_in_a_row,
          .callback = descent.callback,
          .progress = descent.progress,
          .checkpoint = descent.checkpoint};
}

}  // namespace

GradientDescentState::GradientDescentState(std::unique_ptr<Minimization> run) : DescentState(std::move(run)) {}

GradientDescentState GradientDescent::init(Objective& objective, const Guess& guess, SourceLocation where) const {
  return in_call("GradientDescent::init", where, objective.communicator(), [&] {
    const Arguments arguments{"GradientDescent", objective, guess, param_bounds, randkey, where};
    const Checked checked = check_descent(arguments, learning_rate, [&] { return options_of_descent(*this); });
    auto run = objective.communicator().guarded([&] { return std::make_unique<Descent>(arguments, checked.params); },
                                                Operation("the start of a run", where));
    run->resume(descent_options(*this, {}), checked.identity);
    return GradientDescentState(std::move(run));
  });
}

void GradientDescent::step(GradientDescentState& state, const std::optional<Key>& key) const {
  AgainstGradient rule;
  static_cast<Descent&>(state.run()).step(descent_options(*this, key), rule);
}

Trajectory GradientDescent::minimize(Objective& objective, const Guess& guess, SourceLocation where) const {
  return minimize_by("GradientDescent::minimize", *this, objective, guess, where);
}

}  // namespace allgrad
