#pragma once

#include <optional>
#include <vector>

#include "allgrad/nonfinite.hpp"
#include "compile/nonfinite_trace.hpp"

namespace allgrad {

/// The numbers of a traced value and of what stands beside it, in row-major order: those of one row where it is per
/// row, those of one rank where it is per rank.
struct Sighting {
  std::vector<double> value;
  std::vector<std::vector<double>> operands = {};  ///< of its node; empty where they are per row and the value is not
  std::vector<double> sumstats = {};               ///< empty where nothing is known of any
  std::optional<std::size_t> row = {};
  std::optional<int> rank = {};
};

/// A traced value, some of whose numbers are not finite, for the user.
Nonfinite describe_nonfinite(const TracedValue& value, const Sighting& sighting);

}  // namespace allgrad
