#pragma once

#include <functional>
#include <optional>
#include <span>

#include "allgrad/communicator.hpp"
#include "allgrad/param_scan.hpp"
#include "allgrad/source_location.hpp"

namespace allgrad {

/// Where to evaluate; the arguments of ModelBase::run_lhs_param_scan.
struct ScanPoints {
  const ParamLimits& xmins;
  const ParamLimits& xmaxs;
  std::size_t n_dim;
  std::size_t num_evaluations;
  const std::optional<std::uint64_t>& seed;
};

/// Evaluates at every point. Collective; without a seed, that of rank 0 serves all. Throws ArgumentError where the
/// limits cannot be used, DivergenceError where ranks differ in them.
ParamScan scan_latin_hypercube(const ScanPoints& points,
                               const std::function<ScanPoint(std::span<const double>)>& evaluate,
                               const Communicator& comm, SourceLocation where);

}  // namespace allgrad
