#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "allgrad/communicator.hpp"
#include "allgrad/expr.hpp"
#include "allgrad/loss.hpp"
#include "allgrad/nonfinite.hpp"
#include "allgrad/objective.hpp"

namespace allgrad {

struct ModelGraph;

/// What runs a compiled graph.
enum class ExecutorKind {
  tiled,      ///< fused loops over tiles of rows with SIMD kernels; memory does not grow with the rows
  reference,  ///< one xtensor expression per node on whole arrays, to compare with; reads all rows of streamed tables
};

/// How to compile; the same on every rank.
struct CompileOptions {
  ExecutorKind executor = ExecutorKind::tiled;

  /// Makes statistics, loss and gradient the same to the bit on any number of ranks, however the rows are dealt out, on
  /// machines with the same instruction set and mathematical library: sums over rows do not depend on the order of
  /// their terms. They are as accurate as ordinary ones, of terms below 2^926; docs/performance.md says what they cost.
  bool reproducible = false;
};

/// Which graph of a compilation to look at.
enum class Stage {
  built,     ///< the loss, as it was written
  compiled,  ///< the loss and its gradient, as they are run
};

/// A graph that is ready to run: a loss and its gradient, for the optimizers. Made by `compile`. Evaluations throw
/// ArgumentError for a wrong number of parameters, and for a random key that is missing or that nothing is drawn with;
/// DivergenceError where ranks have other parameters or keys. With the tiled executor they allocate nothing, but for
/// aux values and where other parameters are frozen for the first time. A graph that was moved from throws
/// ArgumentError wherever it is used.
class CompiledGraph final : public Objective {
 public:
  std::size_t num_params() const override;
  const Communicator& communicator() const override;
  double value(std::span<const double> params, const EvaluationOptions& options = {}) override;
  double value_and_gradient(std::span<const double> params, std::span<double> gradient,
                            const EvaluationOptions& options = {}) override;
  bool has_hessian(Curvature curvature) const override;
  double value_gradient_and_hessian(std::span<const double> params, std::span<double> gradient,
                                    std::span<double> hessian, Curvature curvature,
                                    const EvaluationOptions& options = {}) override;
  bool has_hessian_product() const override;
  void hessian_product(std::span<const double> params, std::span<const double> vector, std::span<double> product,
                       const EvaluationOptions& options = {}) override;
  std::string what_is_not_finite(std::span<const double> params, const EvaluationOptions& options = {}) override;

  /// Where the loss or its gradient at `params` turns NaN or infinite; nothing where both are finite. Collective. It
  /// costs some evaluations, and as little memory as these.
  std::optional<Nonfinite> find_nonfinite(std::span<const double> params, const EvaluationOptions& options = {});

  /// A page of what an evaluation of loss and gradient does: messages and their size, loops over rows with the user's
  /// line of each instruction, tiles, memory and time, and what is computed in each row although no parameter changes
  /// it. Collective: some evaluations at `params`; the page of rank 0, on every rank.
  std::string explain(std::span<const double> params, const EvaluationOptions& options = {});

  /// Whether the loss, or a value beside it, draws random numbers, so that an evaluation takes a key.
  bool draws() const;

  /// One line per node: operator, operands, shape, placement, and the user's line.
  std::string text(Stage stage = Stage::compiled) const;

  /// Writes the graph for Graphviz: `dot -Tsvg graph.dot -o graph.svg`. Rank 0 writes, all ranks throw where it cannot.
  void write_dot(const std::string& path, Stage stage = Stage::compiled,
                 SourceLocation where = SourceLocation::current()) const;

  CompiledGraph(CompiledGraph&&) noexcept;
  CompiledGraph& operator=(CompiledGraph&&) noexcept;
  ~CompiledGraph() override;

 private:
  friend class OnePointModel;
  friend class OnePointGroup;
  friend struct Covariance;
  friend CompiledGraph compile(const Loss&, const Expr&, const Communicator&, const CompileOptions&, SourceLocation);
  friend CompiledGraph compile_model(std::uint64_t, ModelGraph, const Communicator&, const CompileOptions&,
                                     SourceLocation);
  struct State;
  std::optional<Nonfinite> find_nonfinite_unguarded(std::span<const double> params, const EvaluationOptions& options);

  explicit CompiledGraph(std::unique_ptr<State> state);
  State& state() const;
  std::unique_ptr<State> state_;
};

/// Compiles a loss [] as a function of `params` [ndim] (from `parameters`): inserts allreduces, differentiates,
/// simplifies, and plans its execution: of loss and gradient at once, of what else is asked for, as the loss alone, at
/// its first use. Collective; every rank compiles the same graph. Warns of parameters that the loss does not use.
///
/// Throws ExpressionError where the loss is not one number for all ranks, where it uses other parameters, or tables on
/// another communicator, or where an aux value is per row; DivergenceError where ranks have built different graphs or
/// constants.
CompiledGraph compile(const Loss& loss, const Expr& params, const Communicator& comm = Communicator::world(),
                      const CompileOptions& options = {}, SourceLocation where = SourceLocation::current());

}  // namespace allgrad
