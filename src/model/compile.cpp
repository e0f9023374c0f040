#include "allgrad/compile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "allgrad/error.hpp"
#include "graph/dot.hpp"
#include "graph/text.hpp"
#include "model/check_graph.hpp"
#include "model/program.hpp"

namespace allgrad {

struct CompiledGraph::State {
  State(const Expr& loss, const Expr& parameters, const Communicator& communicator, const CompileOptions& options)
      : comm(communicator),
        built(loss),
        params(parameters),
        value({loss}, parameters, comm, options, Differentiate::no),
        value_and_gradient({loss}, parameters, comm, options, Differentiate::yes) {}

  NamedOutputs outputs(Stage stage) const {
    if (stage == Stage::built) return {{"loss", built}};
    return {{"loss", value_and_gradient.graph()[0]}, {"gradient", value_and_gradient.graph()[1]}};
  }

  /// Runs a program of the loss. All ranks refuse a key that nothing is drawn with: it is likely a mistake.
  void run(Program& program, std::span<const double> at, const std::optional<Key>& randkey) {
    if (randkey && !program.draws()) {
      comm.fail(std::make_exception_ptr(ArgumentError(
          "expected no random key, since this loss draws no random numbers, but got one; leave it out, or "
          "draw with it, as in random::normal(random::key(), shape)",
          built.node()->where)));
    }
    program.run(at, randkey);
  }

  Communicator comm;
  Expr built, params;
  Program value, value_and_gradient;
};

CompiledGraph::CompiledGraph(std::unique_ptr<State> state) : state_(std::move(state)) {}
CompiledGraph::CompiledGraph(CompiledGraph&&) noexcept = default;
CompiledGraph& CompiledGraph::operator=(CompiledGraph&&) noexcept = default;
CompiledGraph::~CompiledGraph() = default;

CompiledGraph compile(const Expr& loss, const Expr& params, const Communicator& comm, const CompileOptions& options,
                      SourceLocation where) {
  comm.guarded([&] {
    check_is_scalar_loss(loss, where);
    check_inputs(loss, params, comm, where);
  });
  check_same_on_all_ranks(loss, params, comm);
  warn_of_unused_params(loss, params, comm);
  return CompiledGraph(std::make_unique<CompiledGraph::State>(loss, params, comm, options));
}

std::size_t CompiledGraph::num_params() const { return state_->params.shape()[0].length; }

const Communicator& CompiledGraph::communicator() const { return state_->comm; }

double CompiledGraph::value(std::span<const double> params, const EvaluationOptions& options) {
  state_->run(state_->value, params, options.randkey);
  return state_->value.output(0)[0];
}

double CompiledGraph::value_and_gradient(std::span<const double> params, std::span<double> gradient,
                                         const EvaluationOptions& options) {
  Program& program = state_->value_and_gradient;
  if (gradient.size() != num_params()) {
    state_->comm.fail(std::make_exception_ptr(ArgumentError(
        fmt::format("expected room for a gradient of {} numbers, one for each parameter, got {}; pass a span "
                    "of as many",
                    num_params(), gradient.size()),
        state_->params.node()->where)));
  }
  state_->run(program, params, options.randkey);
  std::ranges::copy(program.output(1), gradient.begin());
  return program.output(0)[0];
}

std::string CompiledGraph::text(Stage stage) const { return to_text(state_->outputs(stage)); }

void CompiledGraph::write_dot(const std::string& path, Stage stage, SourceLocation where) const {
  state_->comm.guarded([&] {
    if (!state_->comm.is_root()) return;
    std::ofstream file(path);
    file << to_dot(state_->outputs(stage));
    file.close();
    if (file) return;
    throw Error(
        fmt::format("the graph cannot be written to '{}'; check that its folder exists, may be written to and has "
                    "room",
                    path),
        where);
  });
}

}  // namespace allgrad
