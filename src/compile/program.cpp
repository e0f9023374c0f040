#include "compile/program.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "dsl/random_key.hpp"
#include "graph/operator.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

/// A hash of the operators of a graph, the same on every rank: constants that are a rank's own have values of their
/// own.
std::uint64_t identity_of(const std::vector<Expr>& graph) {
  Fingerprint hash;
  for (const Expr& expr : topological_order(graph)) hash.add(expr.node()->op->name());
  return hash.value();
}

}  // namespace

Program::Program(const std::vector<Expr>& built, const Expr& params, const Communicator& comm,
                 const CompileOptions& options, const std::optional<GradientOf>& gradient)
    : graph_(run_pipeline(built, params, comm, options, gradient)),
      comm_(comm),
      where_(params.node()->where),
      params_(params.shape()[0].length) {
  executor_ = make_executor(options.executor, graph_, comm);
  communicates_ =
      std::ranges::any_of(topological_order(graph_), [](const Expr& e) { return e.node()->op->is_collective(); });
  identity_ = identity_of(graph_);
  if (const Node* draw = find_draw(graph_)) draw_ = draw->where;
}

void Program::run(std::span<const double> params, const std::optional<Key>& randkey) {
  if (params.size() == params_.size()) {
    std::ranges::copy(params, params_.begin());
  } else {
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
  Fingerprint fingerprint;
  fingerprint.add(identity_);
  fingerprint.add(evaluations_);
  for (double param : params_) fingerprint.add(param);
  fingerprint.add(randkey.has_value());
  const Key key = randkey.value_or(0);
  for (std::uint32_t word : key.words()) fingerprint.add(word);
  try {
    executor_->run(params_, key, fingerprint.value());
    if (!communicates_) comm_.synchronize(fingerprint.value());
    ++evaluations_;  // on all ranks, or on none
  } catch (const DivergenceError& error) {
    throw DivergenceError(fmt::format("in evaluation {} of the graph, at the parameters [{}] on rank {}: {}",
                                      evaluations_ + 1, fmt::join(params_, ", "), comm_.rank(), error.what()),
                          where_);
  }
}

}  // namespace allgrad
