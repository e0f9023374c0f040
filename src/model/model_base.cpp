#include "allgrad/model_base.hpp"

#include "base/origin.hpp"
#include "comm/call.hpp"
#include "optimizers/param_scan.hpp"

namespace allgrad {

LossValue ModelBase::calc_loss_from_params(const ParamValues& params, const std::optional<Key>& randkey,
                                           SourceLocation where) {
  return in_call("calc_loss_from_params", where, communicator(), [&] {
    LossValue loss;
    loss.value =
        objective(params.size(), where).value(params, {.randkey = randkey, .aux = &loss.aux, .terms = &loss.terms});
    return loss;
  });
}

std::pair<LossValue, xt::xtensor<double, 1>> ModelBase::calc_loss_and_grad_from_params(
    const ParamValues& params, const std::optional<Key>& randkey, SourceLocation where) {
  return in_call(
      "calc_loss_and_grad_from_params", where, communicator(), [&]() -> std::pair<LossValue, xt::xtensor<double, 1>> {
        Objective& objective = this->objective(params.size(), where);
        LossValue loss;
        xt::xtensor<double, 1> gradient;
        try {
          gradient = xt::xtensor<double, 1>::from_shape({params.size()});
        } catch (...) {
          objective.fail(std::current_exception());
        }
        loss.value = objective.value_and_gradient(params, {gradient.data(), gradient.size()},
                                                  {.randkey = randkey, .aux = &loss.aux, .terms = &loss.terms});
        return {std::move(loss), std::move(gradient)};
      });
}

xt::xtensor<double, 1> ModelBase::calc_dloss_dparams(const ParamValues& params, const std::optional<Key>& randkey,
                                                     SourceLocation where) {
  return in_call("calc_dloss_dparams", where, communicator(),
                 [&] { return calc_loss_and_grad_from_params(params, randkey, where).second; });
}

Trajectory ModelBase::run_simple_grad_descent(const Guess& guess, const GradientDescent& options,
                                              SourceLocation where) {
  return in_call("run_simple_grad_descent", where, communicator(),
                 [&] { return options.minimize(objective(guess.size(), where), guess.declared_by(params()), where); });
}

Trajectory ModelBase::run_adam(const Guess& guess, const Adam& options, SourceLocation where) {
  return in_call("run_adam", where, communicator(),
                 [&] { return options.minimize(objective(guess.size(), where), guess.declared_by(params()), where); });
}

OptimizeResult ModelBase::run_bfgs(const Guess& guess, const Lbfgsb& options, SourceLocation where) {
  return in_call("run_bfgs", where, communicator(),
                 [&] { return options.minimize(objective(guess.size(), where), guess.declared_by(params()), where); });
}

OptimizeResult ModelBase::run_trust_region(const Guess& guess, const TrustRegion& options, SourceLocation where) {
  return in_call("run_trust_region", where, communicator(),
                 [&] { return options.minimize(objective(guess.size(), where), guess.declared_by(params()), where); });
}

ParamScan ModelBase::run_lhs_param_scan(const ParamLimits& xmins, const ParamLimits& xmaxs, std::size_t n_dim,
                                        std::size_t num_evaluations, const std::optional<std::uint64_t>& seed,
                                        const std::optional<Key>& randkey, SourceLocation where) {
  return in_call("run_lhs_param_scan", where, communicator(), [&] {
    const auto evaluate = [&](std::span<const double> params) { return evaluate_for_scan(params, randkey, where); };
    ParamScan scan =
        scan_latin_hypercube({xmins, xmaxs, n_dim, num_evaluations, seed}, evaluate, communicator(), where);
    const auto describe = [&] {
      for (const Param& param : Guess(std::vector<double>(n_dim)).declared_by(params()).params()) {
        scan.names.push_back(param.name);
        scan.units.push_back(param.unit);
      }
      scan.weights = objective(n_dim, where).weights();
      scan.randkey = randkey;
      scan.origin = origin_of_now();
    };
    communicator().guarded(describe, Operation("the end of a scan", where));
    return scan;
  });
}

}  // namespace allgrad
