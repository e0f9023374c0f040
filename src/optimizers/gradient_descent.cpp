#include "allgrad/gradient_descent.hpp"

#include "optimizers/arguments.hpp"
#include "optimizers/descend.hpp"

namespace allgrad {

namespace {

class FixedRate final : public UpdateRule {
 public:
  explicit FixedRate(double rate) : rate_(rate) {}

  void update(std::span<const double> gradient, std::span<double> params) override {
    for (std::size_t i = 0; i < params.size(); ++i) params[i] -= rate_ * gradient[i];
  }

 private:
  double rate_;
};

}  // namespace

Trajectory GradientDescent::minimize(Objective& objective, const ParamValues& guess, SourceLocation where) const {
  constexpr const char* name = "GradientDescent";
  check_arguments(name, objective, guess,
                  {Option::count("nsteps", nsteps), Option::positive("learning_rate", learning_rate)}, where);
  FixedRate rule(learning_rate);
  return descend(name, objective, guess, nsteps, rule, callback, where);
}

}  // namespace allgrad
