#include "allgrad/compile.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>

#include "allgrad/error.hpp"
#include "comm/call.hpp"
#include "comm/require_same.hpp"
#include "compile/check_graph.hpp"
#include "compile/compiled_graph_state.hpp"
#include "compile/gradient_room.hpp"
#include "dsl/custom.hpp"
#include "dsl/random_key.hpp"
#include "graph/text.hpp"
#include "graph/traversal.hpp"
#include "schedule/row_loops.hpp"

namespace allgrad {

namespace {

void check_same_options(const CompileOptions& options, const Communicator& comm, SourceLocation where) {
  const std::uint64_t values[] = {static_cast<std::uint64_t>(options.executor), options.reproducible ? 1U : 0U};
  require_same(values, comm, Operation("the comparison of options", where), [&](std::size_t different) {
    return DivergenceError(
        fmt::format("expected the same CompileOptions::{} on every rank, got different ones; compile "
                    "with the same options on every rank",
                    different == 0 ? "executor" : "reproducible"),
        where);
  });
}

/// Functions of the user's have first derivatives alone.
bool has_second_derivatives(const Expr& loss) {
  return !any_node({loss}, [](const Expr& expr) { return as<CustomOperator>(expr) != nullptr; });
}

constexpr Request loss_and_gradient{.loss = true, .gradient = true};

NamedOutputs outputs_of(ModelPrograms& programs, Stage stage) {
  if (stage == Stage::built) return programs.graph().outputs();
  return programs.get(loss_and_gradient).graph();
}

}  // namespace

ModelProgram& CompiledGraph::State::run(Request request, std::span<const double> params,
                                        const EvaluationOptions& options, std::span<const double> direction) {
  const ModelGraph& graph = programs.graph();
  request.aux = options.aux != nullptr && !graph.aux.empty();
  if (options.aux != nullptr && !request.aux) *options.aux = {};
  if (options.terms != nullptr) *options.terms = {};
  if (!options.frozen.empty() && options.frozen.size() != graph.params.shape()[0].length) {
    programs.communicator().fail(std::make_exception_ptr(
        ArgumentError(fmt::format("expected `frozen` to be empty or to have {} entries, one for each parameter, got {}",
                                  graph.params.shape()[0].length, options.frozen.size()),
                      graph.params.node()->where)));
  }
  if (options.randkey && !draws) {
    programs.communicator().fail(std::make_exception_ptr(ArgumentError(
        "expected no random key, since this loss draws no random numbers, but got one; leave it out, or draw with it, "
        "as in random::normal(random::key(), shape)",
        graph.loss.node()->where)));
  }
  const bool any_frozen = request.is_derivative() && std::ranges::find(options.frozen, true) != options.frozen.end();
  static const std::vector<bool> none;
  ModelProgram& program = programs.get(request, any_frozen ? options.frozen : none);
  program.run(params, options.randkey, direction);
  if (options.aux != nullptr && request.aux) programs.communicator().attempt([&] { *options.aux = program.aux(); });
  return program;
}

CompiledGraph::CompiledGraph(std::unique_ptr<State> state) : state_(std::move(state)) {}
CompiledGraph::CompiledGraph(CompiledGraph&&) noexcept = default;
CompiledGraph& CompiledGraph::operator=(CompiledGraph&&) noexcept = default;
CompiledGraph::~CompiledGraph() = default;

CompiledGraph::State& CompiledGraph::state() const {
  if (state_) return *state_;
  throw ArgumentError("expected a compiled graph, got one that was moved from; use the one that it was moved to");
}

CompiledGraph compile_model(std::uint64_t number, ModelGraph graph, const Communicator& comm,
                            const CompileOptions& options, SourceLocation where) {
  const Operation check = Operation("the comparison of graphs", where).with("model", number);
  return comm.guarded(
      [&] {
        check_is_scalar_loss(graph.loss, where);
        for (const auto& [name, expr] : graph.aux)
          check_is_total(expr, fmt::format("the aux value \"{}\" of the loss", name), where);
        check_inputs(exprs_of(graph.outputs()), graph.params, comm, where);
        const Node& params = *graph.params.node();
        check_same_on_all_ranks(graph.outputs(), params.shape[0].length, comm, check, params.where);
        check_same_options(options, comm, where);
        const bool draws = find_draw(exprs_of(graph.outputs())) != nullptr;
        std::vector<bool> used = used_params(graph.loss, graph.params);
        const bool forward = has_tangents(graph.loss), second = has_second_derivatives(graph.loss);
        ModelPrograms programs(number, std::move(graph), comm, options);
        programs.get(loss_and_gradient);
        return CompiledGraph(std::make_unique<CompiledGraph::State>(
            CompiledGraph::State{std::move(programs), draws, std::move(used), forward, second}));
      },
      Operation("the end of a compilation", where).with("model", number));
}

CompiledGraph compile(const Loss& loss, const Expr& params, const Communicator& comm, const CompileOptions& options,
                      SourceLocation where) {
  return in_call("compile", where, comm, [&] {
    CompiledGraph graph = compile_model(comm.next_number(), {.params = params, .loss = loss.value, .aux = loss.aux},
                                        comm, options, where);
    warn_of_unused_params(graph.state().used_params, comm, params.node()->where);
    return graph;
  });
}

std::string CompiledGraph::explain(std::span<const double> params, const EvaluationOptions& options) {
  return in_call("CompiledGraph::explain", state().where(), communicator(), [&] {
    ModelProgram& program = state().run(loss_and_gradient, params, options);
    std::string text = program.explain(params, options.randkey);
    std::vector<std::size_t> unused;
    for (std::size_t i = 0; i < state().used_params.size(); ++i) {
      if (!state().used_params[i]) unused.push_back(i);
    }
    if (!unused.empty()) text += fmt::format("parameters that the loss does not use: {}\n", unused);
    return text;
  });
}

bool CompiledGraph::draws() const { return state().draws; }

std::size_t CompiledGraph::num_params() const { return state().programs.graph().params.shape()[0].length; }

const Communicator& CompiledGraph::communicator() const { return state().programs.communicator(); }

double CompiledGraph::value(std::span<const double> params, const EvaluationOptions& options) {
  return in_call("CompiledGraph::value", state().where(), communicator(),
                 [&] { return state().run({.loss = true}, params, options).loss(); });
}

double CompiledGraph::value_and_gradient(std::span<const double> params, std::span<double> gradient,
                                         const EvaluationOptions& options) {
  return in_call("CompiledGraph::value_and_gradient", state().where(), communicator(), [&] {
    check_room(gradient, num_params(), state().where());
    const ModelProgram& program = state().run(loss_and_gradient, params, options);
    std::ranges::copy(program.gradient(), gradient.begin());
    return program.loss();
  });
}

bool CompiledGraph::has_hessian(Curvature curvature) const {
  return curvature == Curvature::gauss_newton ? state().has_tangents : state().has_second_derivatives;
}

double CompiledGraph::value_gradient_and_hessian(std::span<const double> params, std::span<double> gradient,
                                                 std::span<double> hessian, Curvature curvature,
                                                 const EvaluationOptions& options) {
  return in_call("CompiledGraph::value_gradient_and_hessian", state().where(), communicator(), [&] {
    check_room(gradient, num_params(), state().where());
    check_hessian_room(hessian, num_params(), state().where());
    const bool exact = curvature == Curvature::exact;
    const bool cuts_statistics = !exact && !state().programs.graph().sumstats.empty();
    const ModelProgram& program = state().run(
        {.loss = true, .sumstats = cuts_statistics, .gradient = true, .hessian = exact, .gauss_newton = !exact}, params,
        options);
    std::ranges::copy(program.gradient(), gradient.begin());
    std::ranges::copy(program.hessian(), hessian.begin());
    return program.loss();
  });
}

bool CompiledGraph::has_hessian_product() const { return state().has_second_derivatives; }

void CompiledGraph::hessian_product(std::span<const double> params, std::span<const double> vector,
                                    std::span<double> product, const EvaluationOptions& options) {
  in_call("CompiledGraph::hessian_product", state().where(), communicator(), [&] {
    check_product_room(vector, product, num_params(), state().where());
    const ModelProgram& program = state().run({.hessian_product = true}, params, options, vector);
    std::ranges::copy(program.hessian_product(), product.begin());
  });
}

std::string CompiledGraph::text(Stage stage) const { return to_text(outputs_of(state().programs, stage)); }

void CompiledGraph::write_dot(const std::string& path, Stage stage, SourceLocation where) const {
  in_call("CompiledGraph::write_dot", where, communicator(), [&] {
    communicator().guarded(
        [&] {
          if (!communicator().is_root()) return;
          std::ofstream file(path);
          const NamedOutputs outputs = outputs_of(state().programs, stage);
          file << to_dot(outputs, row_loops_of(exprs_of(outputs)));
          file.close();
          if (file) return;
          throw Error(
              fmt::format(
                  "the graph cannot be written to '{}'; check that its folder exists, may be written to and has "
                  "room",
                  path),
              where);
        },
        Operation("the writing of a graph", where));
  });
}

}  // namespace allgrad
