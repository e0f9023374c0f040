#include "allgrad/one_point_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "allgrad/error.hpp"
#include "graph/operator.hpp"
#include "model/check_graph.hpp"
#include "model/program.hpp"

namespace allgrad {

struct OnePointModel::State {
  Expr params, sumstats;
  CompiledGraph graph;
  std::optional<Program> sumstats_program;  // compiled when first asked for
};

OnePointModel::OnePointModel(Communicator comm, CompileOptions options) : comm_(std::move(comm)), options_(options) {}

OnePointModel::~OnePointModel() = default;

const Communicator& OnePointModel::communicator() const { return comm_; }

OnePointModel::State& OnePointModel::state(std::size_t num_params, SourceLocation where) {
  if (state_) {
    const std::size_t expected = state_->graph.num_params();
    if (num_params == expected) return *state_;
    // Raised in the next collective, which is in whatever the graph is used for; one here would cost each evaluation.
    comm_.fail(std::make_exception_ptr(ArgumentError(
        fmt::format(
            "expected {} parameters, as at the model's first use, got {}; a model keeps its number of parameters, "
            "make another one to change it",
            expected, num_params),
        where)));
    return *state_;
  }

  const auto [params, sumstats, loss] = comm_.guarded([&] {
    const Expr vector = parameters(num_params, where);
    Sumstats statistics = calc_partial_sumstats_from_params(vector);
    statistics.params = vector;
    check_is_total(statistics.value, "calc_partial_sumstats_from_params: the result", where);
    check_inputs(statistics.value, vector, comm_, where);
    return std::tuple(vector, statistics.value, calc_loss_from_sumstats(statistics).value);
  });
  check_same_on_all_ranks(sumstats, params, comm_);  // the loss may not use all of them
  state_ = std::make_unique<State>(State{params, sumstats, compile(loss, params, comm_, options_, where), {}});
  return *state_;
}

CompiledGraph& OnePointModel::compiled(std::size_t num_params, SourceLocation where) {
  CompiledGraph& graph = state(num_params, where).graph;
  comm_.synchronize();  // raises a wrong number of parameters
  return graph;
}

Array OnePointModel::calc_sumstats_from_params(const ParamValues& params, SourceLocation where) {
  State& model = state(params.size(), where);
  if (!model.sumstats_program) {
    model.sumstats_program.emplace(std::vector{model.sumstats}, model.params, comm_, options_, Differentiate::no);
  }
  model.sumstats_program->run(params);
  Array result = Array::from_shape(local_shape(model.sumstats.shape()));
  std::ranges::copy(model.sumstats_program->output(0), result.storage().begin());
  return result;
}

double OnePointModel::calc_loss_from_params(const ParamValues& params, SourceLocation where) {
  return state(params.size(), where).graph.value(params);
}

std::pair<double, xt::xtensor<double, 1>> OnePointModel::calc_loss_and_grad_from_params(const ParamValues& params,
                                                                                        SourceLocation where) {
  auto gradient = xt::xtensor<double, 1>::from_shape({params.size()});
  CompiledGraph& graph = state(params.size(), where).graph;
  const double loss = graph.value_and_gradient(params, {gradient.data(), gradient.size()});
  return {loss, std::move(gradient)};
}

xt::xtensor<double, 1> OnePointModel::calc_dloss_dparams(const ParamValues& params, SourceLocation where) {
  return calc_loss_and_grad_from_params(params, where).second;
}

Trajectory OnePointModel::run_simple_grad_descent(const ParamValues& guess, std::size_t nsteps, double learning_rate,
                                                  SourceLocation where) {
  GradientDescent optimizer;
  optimizer.nsteps = nsteps;
  optimizer.learning_rate = learning_rate;
  return optimizer.minimize(compiled(guess.size(), where), guess, where);
}

Trajectory OnePointModel::run_adam(const ParamValues& guess, std::size_t nsteps, double learning_rate,
                                   SourceLocation where) {
  Adam optimizer;
  optimizer.nsteps = nsteps;
  optimizer.learning_rate = learning_rate;
  return optimizer.minimize(compiled(guess.size(), where), guess, where);
}

OptimizeResult OnePointModel::run_bfgs(const ParamValues& guess, std::size_t maxsteps, SourceLocation where) {
  Lbfgsb optimizer;
  optimizer.maxsteps = maxsteps;
  return optimizer.minimize(compiled(guess.size(), where), guess, where);
}

}  // namespace allgrad
