#include "allgrad/one_point_model.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "allgrad/error.hpp"
#include "allgrad/random.hpp"
#include "comm/call.hpp"
#include "compile/check_graph.hpp"
#include "compile/compiled_graph_state.hpp"

namespace allgrad {

OnePointModel::OnePointModel(Communicator comm, CompileOptions options)
    : comm_(std::move(comm)), number_(comm_.next_number()), options_(options) {}

OnePointModel::~OnePointModel() = default;

const Communicator& OnePointModel::communicator() const { return comm_; }

Expr OnePointModel::randkey(SourceLocation where) const { return random::key(where); }

CompiledGraph& OnePointModel::graph(std::size_t num_params, SourceLocation where) {
  const bool is_new = !graph_.has_value();
  CompiledGraph& result = graph_without_warning(num_params, where);
  if (is_new) warn_of_unused_params(result.state().used_params, comm_, where);
  return result;
}

CompiledGraph& OnePointModel::graph_without_warning(std::size_t num_params, SourceLocation where) {
  if (graph_) {
    if (num_params == graph_->num_params()) return *graph_;
    comm_.fail(std::make_exception_ptr(ArgumentError(
        fmt::format(
            "expected {} parameters, as at the model's first use, got {}; a model keeps its number of parameters, "
            "make another one or rebuild() this one to change it",
            graph_->num_params(), num_params),
        where)));
  }
  ModelGraph built = comm_.attempt([&] {
    const Params declared = this->params();
    if (!declared.empty() && declared.size() != num_params) {
      throw ArgumentError(
          fmt::format("expected {} parameters, as the model declares in params(), got {}; pass a number "
                      "for each",
                      declared.size(), num_params),
          where);
    }
    const Expr params = declared.empty() ? parameters(num_params, where) : parameters(declared, where);
    Sumstats sumstats = calc_partial_sumstats_from_params(params);
    sumstats.params = params;
    check_is_total(sumstats.value, "calc_partial_sumstats_from_params: the result", where);
    const Loss loss = calc_loss_from_sumstats(sumstats);
    return ModelGraph{.params = params, .loss = loss.value, .aux = loss.aux, .sumstats = sumstats.value};
  });
  return graph_.emplace(compile_model(number_, std::move(built), comm_, options_, where));
}

std::string OnePointModel::explain(const ParamValues& params, const std::optional<Key>& randkey, SourceLocation where) {
  return in_call("explain", where, comm_,
                 [&] { return graph(params.size(), where).explain(params, {.randkey = randkey}); });
}

void OnePointModel::rebuild() { graph_.reset(); }

Objective& OnePointModel::objective(std::size_t num_params, SourceLocation where) {
  return in_call("OnePointModel::objective", where, comm_, [&]() -> Objective& { return graph(num_params, where); });
}

CompiledGraph& OnePointModel::compiled(std::size_t num_params, SourceLocation where) {
  return in_call("OnePointModel::compiled", where, comm_, [&]() -> CompiledGraph& { return graph(num_params, where); });
}

Array OnePointModel::calc_sumstats_from_params(const ParamValues& params, bool total, const std::optional<Key>& randkey,
                                               SourceLocation where) {
  return in_call("calc_sumstats_from_params", where, comm_, [&] {
    CompiledGraph::State& state = graph(params.size(), where).state();
    const ModelProgram& program = state.run({.sumstats = total, .share = !total}, params, {.randkey = randkey});
    return program.sumstats();
  });
}

std::pair<Array, Array> OnePointModel::calc_sumstats_and_jacobian(const ParamValues& params,
                                                                  const std::optional<Key>& randkey,
                                                                  SourceLocation where) {
  return in_call("calc_sumstats_and_jacobian", where, comm_, [&] {
    CompiledGraph::State& state = graph(params.size(), where).state();
    const ModelProgram& program = state.run({.sumstats = true, .jacobian = true}, params, {.randkey = randkey});
    return comm_.attempt([&] { return std::pair(program.sumstats(), program.derivative(Derivative::jacobian)); });
  });
}

Array OnePointModel::calc_dloss_dsumstats(const ParamValues& params, const std::optional<Key>& randkey,
                                          SourceLocation where) {
  return in_call("calc_dloss_dsumstats", where, comm_, [&] {
    CompiledGraph::State& state = graph(params.size(), where).state();
    const ModelProgram& program =
        state.run({.sumstats = true, .sumstats_gradient = true}, params, {.randkey = randkey});
    return comm_.attempt([&] { return program.derivative(Derivative::sumstats_gradient); });
  });
}

xt::xtensor<double, 2> OnePointModel::calc_hessian(const ParamValues& params, const std::optional<Key>& randkey,
                                                   SourceLocation where) {
  return in_call("calc_hessian", where, comm_, [&] {
    CompiledGraph::State& state = graph(params.size(), where).state();
    const ModelProgram& program = state.run({.hessian = true}, params, {.randkey = randkey});
    return comm_.attempt([&] { return xt::xtensor<double, 2>(program.derivative(Derivative::hessian)); });
  });
}

xt::xtensor<double, 1> OnePointModel::calc_hvp(const ParamValues& params, const ParamValues& vector,
                                               const std::optional<Key>& randkey, SourceLocation where) {
  return in_call("calc_hvp", where, comm_, [&] {
    CompiledGraph& compiled = graph(params.size(), where);
    auto product = comm_.attempt([&] { return xt::xtensor<double, 1>::from_shape({params.size()}); });
    compiled.hessian_product(params, vector, {product.data(), product.size()}, {.randkey = randkey});
    return product;
  });
}

std::optional<Nonfinite> OnePointModel::find_nonfinite(const ParamValues& params, const std::optional<Key>& randkey,
                                                       SourceLocation where) {
  return in_call("find_nonfinite", where, comm_,
                 [&] { return graph(params.size(), where).find_nonfinite(params, {.randkey = randkey}); });
}

xt::xtensor<double, 1> OnePointModel::calc_dloss_dparams(const ParamValues& params, const std::optional<Key>& randkey,
                                                         SourceLocation where) {
  return in_call("calc_dloss_dparams", where, comm_, [&] {
    CompiledGraph::State& state = graph(params.size(), where).state();
    auto result = xt::xtensor<double, 1>::from_shape({params.size()});
    std::ranges::copy(state.run({.gradient = true}, params, {.randkey = randkey}).gradient(), result.begin());
    return result;
  });
}

ScanPoint OnePointModel::evaluate_for_scan(std::span<const double> params, const std::optional<Key>& randkey,
                                           SourceLocation where) {
  ScanPoint point;
  const EvaluationOptions options{.randkey = randkey, .aux = &point.loss.aux};
  const ModelProgram& program =
      graph(params.size(), where).state().run({.loss = true, .sumstats = true}, params, options);
  point.loss.value = program.loss();
  point.sumstats = comm_.attempt([&] { return program.sumstats(); });
  return point;
}

}  // namespace allgrad
