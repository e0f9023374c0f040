#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "compile/compute.hpp"

namespace allgrad {

/// Of all numbers of a value, those of all rows and ranks.
struct ValueRange {
  double smallest, largest;   ///< of those that are finite; inf and -inf where none is
  std::size_t num_nonfinite;  ///< NaN and infinities
};

/// Of the nodes of a graph in topological order; of a partial value, that of the total. The graph may be that of any
/// stage of the pipeline. Memory does not grow with the rows. Collective, in a Call.
std::vector<ValueRange> value_ranges(const std::vector<Expr>& outputs, std::span<const InputValue> inputs,
                                     const Communicator& comm, ExecutorKind kind, const Operation& operation);

/// One line for each node, by its number in to_text.
std::string to_text(const std::vector<ValueRange>& ranges);

}  // namespace allgrad
