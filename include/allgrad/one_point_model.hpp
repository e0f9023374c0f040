#pragma once

#include <concepts>
#include <cstdint>
#include <utility>

#include "allgrad/compile.hpp"
#include "allgrad/model_base.hpp"

namespace allgrad {

/// Summary statistics, an array of any shape: sums over rows, or what is computed from such. They may be numbers, for
/// calls of calc_loss_from_sumstats by hand.
struct Sumstats {
  Sumstats(const Expr& statistics, Aux aux_values = {}) : value(statistics), aux(std::move(aux_values)) {}

  template <class E>
  Sumstats(const xt::xexpression<E>& numbers, Aux aux_values = {})
      : value(constant(Array(numbers.derived_cast()))), aux(std::move(aux_values)) {}

  Expr value;
  Aux aux;      ///< further values for the loss, which gets them as they are: per row, partial, ...
  Expr params;  ///< [ndim], what they were computed from, for priors in the loss: set by the model, else empty
};

/// A model whose loss depends on its rows through summary statistics. The user derives from it and writes the two
/// functions; the graph is built and compiled at the first use, which fixes the number of parameters. The two functions
/// build expressions and do not communicate: tables are members, made before. Whatever else they read is a member too,
/// and the same on every rank; what it was at the first use is in the graph, until rebuild().
class OnePointModel : public ModelBase {
 public:
  /// `comm` is that of the model's tables: pass halos.communicator().
  explicit OnePointModel(Communicator comm = Communicator::world(), CompileOptions options = {});
  ~OnePointModel() override;

  /// The statistics as a function of the parameters [ndim]. Sums over rows are those of all ranks, wherever they stand;
  /// what is no such sum counts once. The result is not per row. Called with numbers, as constant({-2.0, 0.3}), it
  /// gives an expression for `evaluate`.
  virtual Sumstats calc_partial_sumstats_from_params(const Expr& params) const = 0;

  /// The loss [] of the statistics of all ranks. Called with numbers, it gives an expression for `evaluate`.
  virtual Loss calc_loss_from_sumstats(const Sumstats& sumstats) const = 0;

  /// The statistics of all ranks, in the shape that calc_partial_sumstats_from_params gives them; without `total`, this
  /// rank's share of them, where all of them are sums over rows. Statistics that are not, and those in one array with
  /// such, come in total on every rank.
  Array calc_sumstats_from_params(const ParamValues& params, bool total = true, const std::optional<Key>& randkey = {},
                                  SourceLocation where = SourceLocation::current());

  template <std::integral T>
  requires(!std::same_as<T, bool>) Array
      calc_sumstats_from_params(const ParamValues&, T, const std::optional<Key>& = {})
  = delete;  // no key there

  /// The statistics of all ranks [...] and their derivatives by the parameters [..., ndim]: one sweep over the rows and
  /// one message, where the statistics need no total of other statistics.
  std::pair<Array, Array> calc_sumstats_and_jacobian(const ParamValues& params, const std::optional<Key>& randkey = {},
                                                     SourceLocation where = SourceLocation::current());

  /// The derivatives of the loss by the statistics, in their shape, with the parameters held.
  Array calc_dloss_dsumstats(const ParamValues& params, const std::optional<Key>& randkey = {},
                             SourceLocation where = SourceLocation::current());

  /// The second derivatives of the loss [ndim, ndim], exact, of everything that is summed over rows and ranks.
  xt::xtensor<double, 2> calc_hessian(const ParamValues& params, const std::optional<Key>& randkey = {},
                                      SourceLocation where = SourceLocation::current());

  /// The product of that matrix with a vector [ndim], at the cost of a few gradients however many parameters there are.
  /// Throws ArgumentError where the vector has another length; DivergenceError where it is not the same on all ranks.
  xt::xtensor<double, 1> calc_hvp(const ParamValues& params, const ParamValues& vector,
                                  const std::optional<Key>& randkey = {},
                                  SourceLocation where = SourceLocation::current());

  /// The Fisher information of the parameters [ndim, ndim]: J^T C^-1 J, of the Jacobian of the statistics and their
  /// covariances C [n, n], or variances [n], in the order of the n statistics in row-major order. It is what Gaussian
  /// statistics tell of the parameters, whatever the loss; its inverse bounds their covariances (Cramer, Rao). Throws
  /// ArgumentError where C has another shape, is not symmetric to 1e-9, or not positive definite.
  xt::xtensor<double, 2> calc_fisher(const ParamValues& params, const Array& sumstats_covariance,
                                     const std::optional<Key>& randkey = {},
                                     SourceLocation where = SourceLocation::current());

  xt::xtensor<double, 1> calc_dloss_dparams(const ParamValues& params, const std::optional<Key>& randkey = {},
                                            SourceLocation where = SourceLocation::current()) override;

  /// Where the loss or its gradient at `params` [ndim] turns NaN or infinite; nothing where both are finite. It costs
  /// some evaluations, and as little memory as these.
  std::optional<Nonfinite> find_nonfinite(const ParamValues& params, const std::optional<Key>& randkey = {},
                                          SourceLocation where = SourceLocation::current());

  const Communicator& communicator() const override;
  Objective& objective(std::size_t num_params, SourceLocation where = SourceLocation::current()) override;

  /// The compiled graph, for optimizers and inspection. It lives as long as the model, or until rebuild().
  CompiledGraph& compiled(std::size_t num_params, SourceLocation where = SourceLocation::current());

  /// Drops the graph, so that the next use builds and compiles one from what the members are then, and fixes the number
  /// of parameters anew; groups that have the model take that one too. Call it on every rank of communicator(), between
  /// the same uses: where some ranks build and others evaluate, they do not meet in the same collectives. References
  /// that compiled() and objective() returned end, and with them the runs of optimizers that refer to them.
  void rebuild();

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
  std::uint64_t number_;  // among the models on comm_
  CompileOptions options_;
  std::optional<CompiledGraph> graph_;
};

}  // namespace allgrad
