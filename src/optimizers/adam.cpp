#include "allgrad/adam.hpp"

#include <cmath>
#include <cstdint>
#include <vector>

#include "allgrad/random.hpp"
#include "base/finite.hpp"
#include "optimizers/arguments.hpp"
#include "optimizers/descent.hpp"
#include "optimizers/minimize.hpp"

namespace allgrad {

namespace {

class Moments final : public UpdateRule {
 public:
  explicit Moments(std::size_t num_variables)
      : now_{std::vector<double>(num_variables), std::vector<double>(num_variables)}, proposed_(now_) {}

  void use(const Adam& adam) {
    beta1_ = adam.beta1;
    beta2_ = adam.beta2;
    epsilon_ = adam.epsilon;
  }

  bool propose(double rate, std::span<const double> gradient, std::span<double> variables) override {
    proposed_.weight1 = now_.weight1 * beta1_;
    proposed_.weight2 = now_.weight2 * beta2_;
    for (std::size_t i = 0; i < variables.size(); ++i) {
      const double g = gradient[i];
      proposed_.mean[i] = beta1_ * now_.mean[i] + (1.0 - beta1_) * g;
      proposed_.mean_square[i] = beta2_ * now_.mean_square[i] + (1.0 - beta2_) * g * g;
    }
    if (!all_finite(proposed_.mean) || !all_finite(proposed_.mean_square)) return false;
    for (std::size_t i = 0; i < variables.size(); ++i) {
      const double unbiased_mean = proposed_.mean[i] / (1.0 - proposed_.weight1);
      const double unbiased_mean_square = proposed_.mean_square[i] / (1.0 - proposed_.weight2);
      variables[i] -= rate * unbiased_mean / (std::sqrt(unbiased_mean_square) + epsilon_);
    }
    return true;
  }

  void commit() override { std::swap(now_, proposed_); }

  void fields(Archive& archive) { archive(now_.mean, now_.mean_square, now_.weight1, now_.weight2); }

 private:
  struct State {
    std::vector<double> mean;
    std::vector<double> mean_square;
    double weight1 = 1.0;  // beta1^t: the share of the zeros that the means started from
    double weight2 = 1.0;
  };

  double beta1_ = 0.0;
  double beta2_ = 0.0;
  double epsilon_ = 0.0;
  State now_;
  State proposed_;
};

class AdamDescent final : public Descent {
 public:
  AdamDescent(const Arguments& arguments, const Params& params)
      : Descent(arguments, params), moments(space_.num_variables()) {}

  Moments moments;

 private:
  void fields(Archive& archive) override {
    Descent::fields(archive);
    archive(moments);
  }
};

// But for the learning rate, which is a function of the user.
std::vector<Option> options_of_adam(const Adam& adam) {
  return {Option::limit("nsteps", adam.nsteps),
          Option::flag("const_randkey", adam.const_randkey),
          Option::fraction("beta1", adam.beta1),
          Option::fraction("beta2", adam.beta2),
          Option::positive("epsilon", adam.epsilon),
          Option::limit("max_skips_in_a_row", adam.max_skips_in_a_row),
          Option::every(adam.checkpoint),
          Option::resume(adam.checkpoint)};
}

DescentOptions descent_options(const Adam& adam, const std::optional<Key>& key, std::size_t step) {
  const bool new_keys = key || (adam.randkey && !adam.const_randkey);
  const auto own_key = adam.randkey && !adam.const_randkey
                           ? std::optional(random::fold_in(*adam.randkey, static_cast<std::uint32_t>(step)))
                           : adam.randkey;
  return {.all = [&adam] { return options_of_adam(adam); },
          .nsteps = adam.nsteps,
          .learning_rate = adam.learning_rate,
          .randkey = key ? key : own_key,
          .next_has_other_key = new_keys,
          .max_skips_in_a_row = adam.max_skips_in_a_row,
          .callback = adam.callback,
          .progress = adam.progress,
          .checkpoint = adam.checkpoint};
}

}  // namespace

AdamState::AdamState(std::unique_ptr<Minimization> run) : DescentState(std::move(run)) {}

AdamState Adam::init(Objective& objective, const Guess& guess, SourceLocation where) const {
  return in_call("Adam::init", where, objective.communicator(), [&] {
    const Arguments arguments{"Adam", objective, guess, param_bounds, randkey, where};
    const Checked checked = check_descent(arguments, learning_rate, [&] { return options_of_adam(*this); });
    auto run =
        objective.communicator().guarded([&] { return std::make_unique<AdamDescent>(arguments, checked.params); },
                                         Operation("the start of a run", where));
    run->resume(descent_options(*this, {}, 0), checked.identity);
    return AdamState(std::move(run));
  });
}

void Adam::step(AdamState& state, const std::optional<Key>& key) const {
  auto& run = static_cast<AdamDescent&>(state.run());
  run.moments.use(*this);
  run.step(descent_options(*this, key, run.steps()), run.moments);
}

Trajectory Adam::minimize(Objective& objective, const Guess& guess, SourceLocation where) const {
  return minimize_by("Adam::minimize", *this, objective, guess, where);
}

}  // namespace allgrad
