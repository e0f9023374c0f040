#pragma once

#include <functional>
#include <utility>

#include "allgrad/one_point_model.hpp"

namespace allgrad::testing {

/// A model of two functions, for tests that are about one of them.
class LambdaModel final : public OnePointModel {
 public:
  using CalcSumstats = std::function<Expr(const Expr& params)>;
  using CalcLoss = std::function<Loss(const Sumstats& sumstats)>;

  LambdaModel(CalcSumstats calc_sumstats, CalcLoss calc_loss, Communicator comm = Communicator::world())
      : OnePointModel(std::move(comm)), calc_sumstats_(std::move(calc_sumstats)), calc_loss_(std::move(calc_loss)) {}

  Sumstats calc_partial_sumstats_from_params(const Expr& params) const override { return calc_sumstats_(params); }
  Loss calc_loss_from_sumstats(const Sumstats& sumstats) const override { return calc_loss_(sumstats); }

 private:
  CalcSumstats calc_sumstats_;
  CalcLoss calc_loss_;
};

}  // namespace allgrad::testing
