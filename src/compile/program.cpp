#include "compile/program.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "comm/agreement.hpp"
#include "compile/explain.hpp"
#include "dsl/input.hpp"
#include "dsl/random_key.hpp"
#include "graph/operator.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

std::uint64_t hash_of(std::string_view text) {
  Fingerprint hash;
  hash.add(text);
  return hash.value();
}

std::uint64_t hash_of(const std::vector<bool>& flags) {
  Fingerprint hash;
  for (const bool flag : flags) hash.add(flag);
  return hash.value();
}

}  // namespace

Program::Program(ProgramIdentity identity, const NamedOutputs& built, const Expr& params, const Communicator& comm,
                 const CompileOptions& options, const std::optional<DerivativesOf>& derivatives)
    : identity_(std::move(identity)),
      comm_(comm),
      where_(params.node()->where),
      params_(params.shape()[0].length),
      kind_(options.executor),
      details_([this] {
        return fmt::format("of {} of model {} at the parameters [{}]", identity_.results, identity_.object,
                           fmt::join(params_, ", "));
      }),
      evaluation_("an evaluation", where_) {
  const auto identify = [&](Operation operation) {
    return operation.with("model", identity_.object)
        .with("results", hash_of(identity_.results))
        .with("frozen parameters", derivatives ? hash_of(derivatives->frozen) : 0);
  };
  evaluation_ = identify(evaluation_).described_by(details_);
  const std::function<std::string()> details = [this] {
    return fmt::format("of {} of model {}", identity_.results, identity_.object);
  };
  const Operation compilation = identify(Operation("a compilation", where_)).described_by(details);
  comm_.synchronize(compilation);
  comm_.guarded(
      [&] {
        Dump dump(comm, identity_.object, identity_.results);
        graph_ = run_pipeline(built, params, comm, options, derivatives, dump);
        const Graph graph(exprs_of(graph_));
        plan(graph);
        if (dump.is_on()) {
          for (const auto& [stage, text] : executor_->stages()) dump.add(stage, "", text);
        }
        if (dump.is_wanted()) dump_ = std::move(dump);
        communicates_ = any_node(graph, [](const Expr& e) { return e.node()->op->is_collective(); });
        if (const Node* draw = find_draw(graph)) draw_ = draw->where;
      },
      compilation);
}

void Program::plan(const Graph& graph) {
  executor_ = make_executor(kind_, graph.outputs(), comm_);
  rows_.emplace(graph);
}

/// For the rows that the tables have now.
void Program::plan_anew() {
  const Graph graph(exprs_of(graph_));
  compute_kept(graph, comm_, kind_);
  plan(graph);
}

std::size_t Program::position_of(std::string_view name) const {
  const auto found = std::ranges::find(graph_, name, &NamedOutputs::value_type::first);
  if (found == graph_.end()) throw InternalError(fmt::format("a program has no output \"{}\"", name));
  return static_cast<std::size_t>(found - graph_.begin());
}

void Program::run(std::span<const double> params, const std::optional<Key>& randkey,
                  std::span<const double> direction) {
  run(params, randkey, direction,
      [this](std::span<const InputValue> inputs, const Operation& operation) { executor_->run(inputs, operation); });
}

std::string Program::explain(std::span<const double> params, const std::optional<Key>& randkey) {
  constexpr int runs = 5;
  std::vector<double> seconds;
  for (int i = 0; i < runs; ++i) {
    run(params, randkey, {}, [&](std::span<const InputValue> inputs, const Operation& operation) {
      const std::vector<double> now = executor_->run_timed(inputs, operation);
      if (i == 0) seconds = now;
      std::ranges::transform(seconds, now, seconds.begin(), [](double a, double b) { return std::min(a, b); });
    });
  }
  const std::string own = comm_.attempt([&] { return explanation(graph_, executor_->program(), seconds, comm_); });
  return comm_.broadcast(own, 0, Operation("the explaining of a program", where_));
}

void Program::run(std::span<const double> params, const std::optional<Key>& randkey, std::span<const double> direction,
                  const std::function<void(std::span<const InputValue>, const Operation&)>& execute) {
  if (params.size() != params_.size()) {
    comm_.fail(std::make_exception_ptr(ArgumentError(
        fmt::format(
            "expected {} parameters, as the graph was compiled for, got {}; pass as many numbers as the graph has "
            "parameters",
            params_.size(), params.size()),
        where_)));
  }
  if (draws() && !randkey) {
    comm_.fail(std::make_exception_ptr(ArgumentError(
        "random numbers are drawn here: expected a random key for the evaluation, got none; pass one, the "
        "same on every rank, for example {.randkey = 42}",
        *draw_)));
  }
  if (rows_->have_changed()) comm_.guarded([&] { plan_anew(); }, Operation("the planning for other rows", where_));
  std::ranges::copy(params, params_.begin());
  const auto words = numbers_of(randkey.value_or(0));
  const InputValue inputs[] = {{parameters_name, params_}, {random_key_name, words}, {direction_name, direction}};
  Fingerprint key;
  key.add(randkey);
  Operation evaluation = Operation(evaluation_).with("random key", key.value());
  if (!direction.empty()) {
    Fingerprint along;
    for (const double number : direction) along.add(number);
    evaluation.with("direction", along.value());
  }
  run_with_same(comm_, evaluation, {"parameters", params_, {}}, [&](const Operation& operation) {
    execute(inputs, operation);
    if (!communicates_) comm_.synchronize(operation);
  });
  if (!dump_) return;
  const Operation of_values("the dump of values", where_);
  comm_.guarded([&] { std::exchange(dump_, {})->add_values(graph_, inputs, comm_, kind_, of_values); }, of_values);
}

}  // namespace allgrad
