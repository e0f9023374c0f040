#include "compile/program.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "comm/agreement.hpp"
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
                 const CompileOptions& options, const std::optional<GradientOf>& gradient)
    : identity_(std::move(identity)),
      results_(hash_of(identity_.results)),
      frozen_(gradient ? hash_of(gradient->frozen) : 0),
      comm_(comm),
      where_(params.node()->where),
      params_(params.shape()[0].length),
      details_([this] {
        return fmt::format("of {} of model {} at the parameters [{}]", identity_.results, identity_.object,
                           fmt::join(params_, ", "));
      }) {
  const std::function<std::string()> details = [this] {
    return fmt::format("of {} of model {}", identity_.results, identity_.object);
  };
  const Operation compilation = Operation("a compilation", where_)
                                    .with("model", identity_.object)
                                    .with("results", results_)
                                    .with("frozen parameters", frozen_)
                                    .described_by(details);
  comm_.synchronize(compilation);
  comm_.guarded(
      [&] {
        Dump dump(comm, identity_.object, identity_.results);
        graph_ = run_pipeline(built, params, comm, options, gradient, dump);
        const std::vector<Expr> outputs = exprs_of(graph_);
        executor_ = make_executor(options.executor, outputs, comm);
        if (dump.is_on()) {
          for (const auto& [stage, text] : executor_->stages()) dump.add(stage, "", text);
        }
        for_each_node(outputs,
                      [this](const Expr& e) { communicates_ = communicates_ || e.node()->op->is_collective(); });
        if (const Node* draw = find_draw(outputs)) draw_ = draw->where;
      },
      compilation);
}

std::size_t Program::position_of(std::string_view name) const {
  const auto found = std::ranges::find(graph_, name, &NamedOutputs::value_type::first);
  if (found == graph_.end()) throw InternalError(fmt::format("a program has no output \"{}\"", name));
  return static_cast<std::size_t>(found - graph_.begin());
}

Operation Program::operation(const std::optional<Key>& randkey) const {
  Fingerprint key;
  key.add(randkey);
  Fingerprint params;
  for (const double param : params_) params.add(param);
  return Operation("an evaluation", where_)
      .with("model", identity_.object)
      .with("results", results_)
      .with("frozen parameters", frozen_)
      .with("random key", key.value())
      .nearly(params.value())
      .described_by(details_);
}

void Program::run(std::span<const double> params, const std::optional<Key>& randkey) {
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
  std::ranges::copy(params, params_.begin());
  const auto key = numbers_of(randkey.value_or(0));
  const InputValue inputs[] = {{parameters_name, params_}, {random_key_name, key}};
  for (;;) {
    const Operation evaluation = operation(randkey);
    try {
      executor_->run(inputs, evaluation);
      if (!communicates_) comm_.synchronize(evaluation);
      return;
    } catch (const NumbersDiffer&) {
      agree(comm_, evaluation, {"parameters", params_, {}});
    }
  }
}

}  // namespace allgrad
