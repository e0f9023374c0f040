#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "allgrad/compile.hpp"
#include "compile/pipeline.hpp"
#include "compile/row_values.hpp"
#include "execute/executor.hpp"

namespace allgrad {

/// What ranks compare of a program before they run it.
struct ProgramIdentity {
  std::uint64_t object;  ///< number of the model on its communicator
  std::string results;   ///< "loss, gradient"
};

/// A function of the parameters that is ready to run: a graph that went through the pipeline, and its executor.
class Program {
 public:
  /// Collective. `built` has outputs that are not per row, each of another name; "gradient" is a further one, if it is
  /// asked for.
  Program(ProgramIdentity identity, const NamedOutputs& built, const Expr& params, const Communicator& comm,
          const CompileOptions& options, const std::optional<DerivativesOf>& derivatives = {});
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// Computes all outputs; collective. A key is needed where the program draws, and unused elsewhere. Throws
  /// ArgumentError for a wrong number of parameters and a missing key, DivergenceError where ranks differ in either, or
  /// run other programs. `direction` [ndim] is the input of that name, where there is one. Allocates nothing unless it
  /// throws.
  void run(std::span<const double> params, const std::optional<Key>& randkey = {},
           std::span<const double> direction = {});

  /// A page for the user of what a run does, with the times of some runs at these parameters; that of rank 0, on every
  /// rank. Collective, as run.
  std::string explain(std::span<const double> params, const std::optional<Key>& randkey = {});

  /// An output of the last run, in row-major order. Allocates nothing.
  std::span<const double> output(std::string_view name) const { return executor_->output(position_of(name)); }

  /// Its shape.
  const Shape& shape(std::string_view name) const { return graph_[position_of(name)].second.shape(); }

  const NamedOutputs& graph() const { return graph_; }

  /// True where the outputs depend on the random key.
  bool draws() const { return draw_.has_value(); }

 private:
  std::size_t position_of(std::string_view name) const;
  void run(std::span<const double> params, const std::optional<Key>& randkey, std::span<const double> direction,
           const std::function<void(std::span<const InputValue>, const Operation&)>& execute);
  void plan(const Graph& graph);  // with what it keeps computed
  void plan_anew();

  const ProgramIdentity identity_;
  NamedOutputs graph_;
  Communicator comm_;
  SourceLocation where_;                // of the parameters
  std::optional<SourceLocation> draw_;  // of the first draw
  std::vector<double> params_;
  ExecutorKind kind_;
  std::unique_ptr<Executor> executor_;
  std::optional<RowsOfGraph> rows_;  // that the executor was planned for
  bool communicates_ = false;
  const std::function<std::string()> details_;
  std::optional<Dump> dump_;  // until the first evaluation, where there is one
  Operation evaluation_;      // with neither key nor parameters
};

}  // namespace allgrad
