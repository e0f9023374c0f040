#pragma once

// Models of the parts, and numbers of what they give.

#include <vector>

#include "../world.hpp"
#include "allgrad/allgrad.hpp"
#include "memory_parts.hpp"

namespace memory {

namespace ag = allgrad;
using allgrad::testing::world;

inline void append(Numbers& to, const auto& values) {
  for (const auto value : values) to.push_back(static_cast<double>(value));
}

inline ag::Table::Columns columns() {
  const auto rank = static_cast<double>(world().rank());
  return {{"x", std::vector<double>(3 - static_cast<std::size_t>(rank), 0.5 + rank)},
          {"y", std::vector(3 - static_cast<std::size_t>(rank), 0.25)}};
}

class Model final : public ag::OnePointModel {
 public:
  explicit Model(const ag::Communicator& comm, ag::ExecutorKind executor = ag::ExecutorKind::tiled)
      : OnePointModel(comm, {.executor = executor}), halos_("halos", columns(), comm), x_(halos_["x"]) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& p) const override {
    const ag::Expr powers = pow(expand_dims(x_, 1), ag::constant({1.0, 2.0}));
    return sum(p[0] * powers + log(p[1]), 0);
  }
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& s) const override {
    return {mean(square(s.value - 2.0)), {{"total", sum(s.value)}}};
  }

 private:
  ag::Table halos_;
  ag::Expr x_;
};

inline const ag::ParamValues at{0.5, 2.0, 1.0};  // the last is not used, of which there is a warning

inline Numbers numbers_of(const ag::Trajectory& fit) {
  Numbers numbers;
  append(numbers, fit.loss);
  append(numbers, fit.params);
  append(numbers, fit.aux["total"]);
  return numbers;
}

inline Numbers numbers_of(const ag::OptimizeResult& fit) {
  Numbers numbers{fit.fun};
  append(numbers, fit.x);
  append(numbers, fit.jac);
  return numbers;
}

/// Its loss depends on all of its parameters.
class Curved final : public ag::OnePointModel {
 public:
  explicit Curved(const ag::Communicator& comm) : OnePointModel(comm), halos_("halos", columns(), comm) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& p) const override {
    return ag::stack({sum(p[0] * halos_["x"], 0), sum(exp(p[1]) * halos_["y"], 0)});
  }
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& s) const override { return sum(square(s.value - 2.0)); }

 private:
  ag::Table halos_;
};

inline const ag::Guess curved_guess{0.4, 0.1};

inline const ag::Guess guess{0.5, 2.0, 1.0};
inline const ag::Bounds bounds{{-3.0, 3.0}, {.low = 0.0}, {}};

inline Numbers all_results(Model& model) {
  Numbers numbers;
  append(numbers, model.calc_sumstats_from_params(at, true));
  append(numbers, model.calc_sumstats_from_params(at, false));
  const auto [loss, gradient] = model.calc_loss_and_grad_from_params(at);
  numbers.push_back(loss.value);
  append(numbers, gradient);
  append(numbers, loss.aux["total"]);
  append(numbers, model.calc_dloss_dparams(at));
  return numbers;
}

inline Numbers all_derivatives(Curved& model) {
  static const ag::ParamValues point{0.4, 0.3}, direction{1.0, 2.0};
  static const ag::Array variances = xt::ones<double>({2});
  const auto [sumstats, jacobian] = model.calc_sumstats_and_jacobian(point);
  Numbers numbers;
  append(numbers, sumstats);
  append(numbers, jacobian);
  append(numbers, model.calc_dloss_dsumstats(point));
  append(numbers, model.calc_hessian(point));
  append(numbers, model.calc_hvp(point, direction));
  append(numbers, model.calc_fisher(point, variances));
  return numbers;
}

/// What is done with a model that is made before, and has done it before where it is to be done `again`.
template <class M>
auto with_model(Numbers (*act)(M&), bool again = false) {
  return [=](const ag::Communicator& comm) -> Action {
    const auto model = std::make_shared<M>(comm);
    if (again) act(*model);
    return [=] { return act(*model); };
  };
}

}  // namespace memory
