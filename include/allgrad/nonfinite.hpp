#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "allgrad/source_location.hpp"
#include "allgrad/str_formatter.hpp"

namespace allgrad {

/// Where a loss or its gradient turns NaN or infinite: the first operation whose value is not finite although its
/// operands are, or, where the loss is finite, whose contribution to the gradient is not. Operations whose value
/// matters to neither, such as those that a `where` masks, are passed over. The same on every rank.
struct Nonfinite {
  std::string node = {};                   ///< the operation, with its attributes: "log10", "column halos.mass"
  SourceLocation where = {};               ///< the user's line
  bool is_derivative = false;              ///< the value is finite, its derivative is not
  double value = 0.0;                      ///< of the operation or of its derivative, NaN or infinite
  std::optional<std::size_t> row = {};     ///< the lowest number among the rows of all ranks, where it is per row
  std::optional<int> rank = {};            ///< the rank that has the row, or the value where each rank has its own
  std::vector<std::size_t> elements = {};  ///< of the value, of its row: which are not finite, in row-major order
  std::string text = {};                   ///< all of it and the values of the operands, for the user

  /// The text, and what to do.
  std::string str() const;
};

}  // namespace allgrad

template <>
struct fmt::formatter<allgrad::Nonfinite> : allgrad::detail::StrFormatter<allgrad::Nonfinite> {};
