#pragma once

#include <memory>
#include <utility>

#include "allgrad/compile.hpp"
#include "allgrad/model_base.hpp"

namespace allgrad {

/// Summary statistics: sums over rows, or what is computed from such.
struct Sumstats {
  Sumstats(const Expr& statistics, Aux aux_values = {}) : value(statistics), aux(std::move(aux_values)) {}

  template <class E>
  Sumstats(const xt::xexpression<E>& numbers, Aux aux_values = {})
      : value(constant(Array(numbers.derived_cast()))), aux(std::move(aux_values)) {}

  Expr value;
  Aux aux;      ///< further values for the loss, which gets them as they are: per row, partial, ...
  Expr params;  ///< what they were computed from, set by the model: for priors in the loss
};

/// A model whose loss depends on its rows through summary statistics. The user derives from it and writes the two
/// functions; the graph is built and compiled at the first use, which fixes the number of parameters. The two functions
/// build expressions and do not communicate: tables are members, made before.
class OnePointModel : public ModelBase {
 public:
  explicit OnePointModel(Communicator comm = Communicator::world(), CompileOptions options = {});
  ~OnePointModel() override;

  /// The statistics of this rank's rows as a function of the parameters [ndim]; the engine sums them over all ranks.
  /// Called with numbers, as constant({-2.0, 0.3}), it gives an expression for `evaluate`.
  virtual Sumstats calc_partial_sumstats_from_params(const Expr& params) const = 0;

  /// The loss of the statistics summed over all ranks. It takes numbers too, and then gives one for `evaluate`.
  virtual Loss calc_loss_from_sumstats(const Sumstats& sumstats) const = 0;

  /// The statistics summed over all ranks; without `total`, this rank's share of them.
  Array calc_sumstats_from_params(const ParamValues& params, bool total = true, const std::optional<Key>& randkey = {},
                                  SourceLocation where = SourceLocation::current());

  xt::xtensor<double, 1> calc_dloss_dparams(const ParamValues& params, const std::optional<Key>& randkey = {},
                                            SourceLocation where = SourceLocation::current()) override;

  const Communicator& communicator() const override;
  Objective& objective(std::size_t num_params, SourceLocation where = SourceLocation::current()) override;

  /// The compiled graph, for optimizers and inspection.
  CompiledGraph& compiled(std::size_t num_params, SourceLocation where = SourceLocation::current());

 protected:
  /// The random key of the evaluation [2], for the functions of allgrad::random in the user's two functions.
  Expr randkey(SourceLocation where = SourceLocation::current()) const;

 private:
  ScanPoint evaluate_for_scan(std::span<const double> params, const std::optional<Key>& randkey,
                              SourceLocation where) override;
  friend class OnePointGroup;
  CompiledGraph& graph(std::size_t num_params, SourceLocation where);
  CompiledGraph& graph_without_warning(std::size_t num_params, SourceLocation where);

  Communicator comm_;
  CompileOptions options_;
  std::optional<CompiledGraph> graph_;
};

}  // namespace allgrad
