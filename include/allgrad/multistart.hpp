#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>
#include <xtensor/xtensor.hpp>

#include "allgrad/model_base.hpp"
#include "allgrad/optimize_result.hpp"
#include "allgrad/str_formatter.hpp"

namespace allgrad {

/// Where run_multistart starts, and how it fits; the same on every rank.
struct MultistartOptions {
  std::size_t num_starts = 10;  ///< on a Latin hypercube between the bounds (see latin_hypercube); from 1 on
  std::uint64_t seed = 0;       ///< of the hypercube
  xt::xtensor<double, 2> starts = xt::xtensor<double, 2>::from_shape({0, 0});    ///< [n, ndim], in place of a hypercube
  std::variant<TrustRegion, Lbfgsb> optimizer = TrustRegion{.progress = false};  ///< no param_bounds, no checkpoint
  double tolerance = 0.01;  ///< end points of one minimum differ by at most this in each parameter / scale
  int ranks_per_fit = 1;    ///< least number of ranks that a fit has, where a model is made for each part
};

/// What came of fits from several starts. The same on every rank.
struct Multistart {
  OptimizeResult best;               ///< with the lowest loss of those that converged, or of all where none did
  xt::xtensor<double, 2> starts;     ///< [n, ndim]
  std::vector<OptimizeResult> fits;  ///< [n], in their order; without success where the loss at a start is not finite
  std::size_t num_at_best;           ///< how many of them converged to the minimum of `best`

  /// As text; `fmt::print("{}\n", multistart)` prints it too.
  std::string str() const;
};

/// Fits a model from one start after the other. `params` says what is frozen, and between which bounds the starts lie;
/// guesses count for what is frozen alone. Collective over the model's communicator. Throws ArgumentError where there
/// is no start, where one is not within the bounds, or a free parameter lacks a bound for the hypercube, for an
/// optimizer with bounds or a checkpoint of its own, and where all fits were refused; and what `minimize` throws but
/// for an ArgumentError at a single start.
Multistart run_multistart(ModelBase& model, const Params& params, const MultistartOptions& options = {},
                          SourceLocation where = SourceLocation::current());

/// The same, but with as many fits at a time as there are parts of `comm` with ranks_per_fit ranks. `make_model` makes
/// the model of each part, with tables on the communicator that it is given, of the same rows in all. Collective over
/// `comm`. What goes wrong in one part is raised on every rank of `comm`, once the others are done.
using MakeModel = std::function<std::unique_ptr<ModelBase>(const Communicator& part)>;
Multistart run_multistart(const MakeModel& make_model, const Params& params, const MultistartOptions& options = {},
                          const Communicator& comm = Communicator::world(),
                          SourceLocation where = SourceLocation::current());

}  // namespace allgrad

template <>
struct fmt::formatter<allgrad::Multistart> : allgrad::detail::StrFormatter<allgrad::Multistart> {};
