#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>
#include <xtensor/xtensor.hpp>

#include "allgrad/key.hpp"
#include "allgrad/loss.hpp"
#include "allgrad/origin.hpp"
#include "allgrad/param_values.hpp"
#include "allgrad/source_location.hpp"

namespace allgrad {

/// A number for all parameters, or one for each of them (see ParamValues).
class ParamLimits {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> ParamLimits(T for_all, SourceLocation where = SourceLocation::current())
      : values_{detail::exact_double(for_all, where)}, for_all_(true) {}

  template <class C>
  requires std::constructible_from<ParamValues, const C&, SourceLocation> ParamLimits(
      const C& values, SourceLocation where = SourceLocation::current())
      : values_(values, where) {}
  ParamLimits(std::initializer_list<double> values) : values_(values) {}

  /// True where there is one for each of `n_dim` parameters.
  bool fits(std::size_t n_dim) const { return for_all_ || values_.size() == n_dim; }

  std::size_t size() const { return values_.size(); }
  double operator[](std::size_t param) const { return std::span<const double>(values_)[for_all_ ? 0 : param]; }

 private:
  ParamValues values_;
  bool for_all_ = false;
};

/// A model at one point.
struct ScanPoint {
  Array sumstats;  ///< empty for a group of models
  LossValue loss;
};

/// A model at many points.
struct ParamScan {
  xt::xtensor<double, 2> params;        ///< [num_evaluations, n_dim]
  Array sumstats;                       ///< [num_evaluations, ...]; [num_evaluations, 0] for a group of models
  xt::xtensor<double, 1> losses;        ///< [num_evaluations]
  AuxValues aux;                        ///< of the loss, each [num_evaluations, ...]
  std::uint64_t seed;                   ///< with which the same points are drawn again
  AuxValues terms = {};                 ///< of the loss of a group, each [num_evaluations], before its weight
  Named<double> weights = {};           ///< of these terms
  std::vector<std::string> names = {};  ///< [n_dim], of the parameters
  std::vector<std::string> units = {};  ///< [n_dim], of these; empty texts where none is declared
  std::optional<Key> randkey = {};      ///< of all evaluations
  Origin origin = {};                   ///< on each rank, its own
};

/// A Latin hypercube sample [num_samples, n_dim] of the unit cube: in each dimension, each of `num_samples` equal
/// intervals has exactly one point, at a random place in it. McKay, Beckman, Conover 1979 (Technometrics 21, 239).
/// Throws ArgumentError where the points do not fit into memory.
xt::xtensor<double, 2> latin_hypercube(std::size_t num_samples, std::size_t n_dim, const Key& key,
                                       SourceLocation where = SourceLocation::current());

}  // namespace allgrad
