#include "allgrad/adam.hpp"

#include <cmath>
#include <vector>

#include "optimizers/arguments.hpp"
#include "optimizers/descend.hpp"

namespace allgrad {

namespace {

class Moments final : public UpdateRule {
 public:
  Moments(const Adam& adam, std::size_t num_params)
      : rate_(adam.learning_rate),
        beta1_(adam.beta1),
        beta2_(adam.beta2),
        epsilon_(adam.epsilon),
        mean_(num_params),
        mean_square_(num_params) {}

  void update(std::span<const double> gradient, std::span<double> params) override {
    weight1_ *= beta1_;
    weight2_ *= beta2_;
    for (std::size_t i = 0; i < params.size(); ++i) {
      const double g = gradient[i];
      mean_[i] = beta1_ * mean_[i] + (1.0 - beta1_) * g;
      mean_square_[i] = beta2_ * mean_square_[i] + (1.0 - beta2_) * g * g;
      const double unbiased_mean = mean_[i] / (1.0 - weight1_);
      const double unbiased_mean_square = mean_square_[i] / (1.0 - weight2_);
      params[i] -= rate_ * unbiased_mean / (std::sqrt(unbiased_mean_square) + epsilon_);
    }
  }

 private:
  double rate_;
  double beta1_;
  double beta2_;
  double epsilon_;
  double weight1_ = 1.0;  // beta1^t: the share of the zeros that the means started from
  double weight2_ = 1.0;
  std::vector<double> mean_;
  std::vector<double> mean_square_;
};

}  // namespace

Trajectory Adam::minimize(Objective& objective, const ParamValues& guess, SourceLocation where) const {
  constexpr const char* name = "Adam";
  check_arguments(
      name, objective, guess,
      {Option::count("nsteps", nsteps), Option::positive("learning_rate", learning_rate),
       Option::fraction("beta1", beta1), Option::fraction("beta2", beta2), Option::positive("epsilon", epsilon)},
      where);
  Moments rule = objective.communicator().guarded([&] { return Moments(*this, guess.size()); });
  return descend(name, objective, guess, nsteps, rule, callback, where);
}

}  // namespace allgrad
