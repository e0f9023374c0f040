// dot, matmul, outer, tensordot and einsum: letters for the axes of operands and result, for `contract`.
#include "allgrad/contractions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "dsl/contraction.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

[[noreturn]] void refuse(std::string_view function, const Operand& x, const Operand& y, const std::string& why) {
  throw ExpressionError(
      fmt::format("{}({}, {}): {}", function, to_string(x.expr().shape()), to_string(y.expr().shape()), why),
      x.where());
}

std::string length_text(const Extent& extent) {
  return extent.is_rows() ? fmt::format("the rows of table \"{}\"", extent.rows->table)
                          : fmt::format("{}", extent.length);
}

void require_equal(std::string_view function, const Operand& x, std::size_t x_axis, const Operand& y,
                   std::size_t y_axis) {
  const Extent &a = x.expr().shape()[x_axis], &b = y.expr().shape()[y_axis];
  if (a == b) return;
  refuse(function, x, y,
         fmt::format("axis {} of the first operand, of length {}, and axis {} of the second, of length {}, are to be "
                     "summed over together; they must be equally long",
                     x_axis, length_text(a), y_axis, length_text(b)));
}

/// Sums over pairs of axes; those that are left of x come before those of y.
Expr sum_of_pairs(std::string_view function, const Operand& x, const Operand& y, const std::vector<std::size_t>& x_axes,
                  const std::vector<std::size_t>& y_axes) {
  const std::size_t x_ndim = x.expr().ndim(), y_ndim = y.expr().ndim();
  Letters x_letters(alphabet.substr(0, x_ndim)), y_letters(alphabet.substr(x_ndim, y_ndim)), result = x_letters;
  for (std::size_t i = 0; i < x_axes.size(); ++i) {
    require_equal(function, x, x_axes[i], y, y_axes[i]);
    y_letters[y_axes[i]] = x_letters[x_axes[i]];
    std::erase(result, x_letters[x_axes[i]]);
  }
  for (std::size_t axis = 0; axis < y_ndim; ++axis) {
    if (std::ranges::find(y_axes, axis) == y_axes.end()) result += y_letters[axis];
  }
  const NodeOrigin origin(x.where(), false);
  return contract({{x.expr(), x_letters}, {y.expr(), y_letters}}, result);
}

/// The letters of the subscripts, one word for each operand and one for the result.
struct Subscripts {
  std::vector<Letters> operands;
  Letters result;
};

Subscripts parse(std::string_view text) {
  std::string letters(text);
  std::erase(letters, ' ');
  const std::size_t arrow = letters.find("->");
  Subscripts subscripts;
  std::string_view left = std::string_view(letters).substr(0, arrow);
  for (std::size_t start = 0; start <= left.size();) {
    const std::size_t comma = std::min(left.find(',', start), left.size());
    subscripts.operands.emplace_back(left.substr(start, comma - start));
    start = comma + 1;
  }
  std::map<char, std::size_t> counts;
  for (const Letters& word : subscripts.operands) {
    for (const char letter : word) ++counts[letter];
  }
  if (arrow != std::string::npos) {
    subscripts.result = letters.substr(arrow + 2);
  } else {
    for (const auto& [letter, count] : counts) {
      if (count == 1) subscripts.result += letter;
    }
  }
  std::vector<Letters> words = subscripts.operands;
  words.push_back(subscripts.result);
  for (const Letters& word : words) {
    for (const char letter : word) {
      if (alphabet.find(letter) == std::string_view::npos) {
        throw ExpressionError(fmt::format("expected letters, commas and one \"->\", got '{}'", letter));
      }
      if (std::ranges::count(word, letter) > 1) {
        throw ExpressionError(
            fmt::format("the letter {} is in \"{}\" twice; a diagonal is not supported, name each axis "
                        "of an operand by a letter of its own",
                        letter, word));
      }
      if (!counts.contains(letter)) {
        throw ExpressionError(fmt::format("the result has the letter {}, which no operand has", letter));
      }
    }
  }
  return subscripts;
}

void check_lengths(const Subscripts& subscripts, const std::vector<Operand>& operands) {
  if (subscripts.operands.size() != operands.size()) {
    throw ExpressionError(fmt::format("expected letters for {} operands, got them for {}; separate them by commas",
                                      operands.size(), subscripts.operands.size()));
  }
  std::map<char, Extent> extents;
  for (std::size_t k = 0; k < operands.size(); ++k) {
    const Shape& shape = operands[k].expr().shape();
    const Letters& letters = subscripts.operands[k];
    if (letters.size() != shape.size()) {
      throw ExpressionError(fmt::format("\"{}\" has {} letters for a value of shape {}; give each axis one", letters,
                                        letters.size(), to_string(shape)));
    }
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      const auto [entry, is_first] = extents.try_emplace(letters[axis], shape[axis]);
      if (is_first || entry->second == shape[axis]) continue;
      if (entry->second == Extent(1)) {
        entry->second = shape[axis];
      } else if (!(shape[axis] == Extent(1))) {
        throw ExpressionError(
            fmt::format("the letter {} stands for axes of lengths {} and {}; they must be equal, or 1", letters[axis],
                        length_text(entry->second), length_text(shape[axis])));
      }
    }
  }
}

}  // namespace

Expr dot(const Operand& x, const Operand& y) {
  const std::size_t x_ndim = x.expr().ndim(), y_ndim = y.expr().ndim();
  if (x_ndim == 0 || y_ndim == 0) return multiply(x, y);
  return sum_of_pairs("dot", x, y, {x_ndim - 1}, {y_ndim < 2 ? 0 : y_ndim - 2});
}

Expr matmul(const Operand& x, const Operand& y) {
  const std::size_t x_ndim = x.expr().ndim(), y_ndim = y.expr().ndim();
  if (x_ndim == 0 || y_ndim == 0) refuse("matmul", x, y, "a single number is no matrix; use * for products with it");
  require_equal("matmul", x, x_ndim - 1, y, y_ndim < 2 ? 0 : y_ndim - 2);
  const std::size_t x_batch = x_ndim < 2 ? 0 : x_ndim - 2, y_batch = y_ndim < 2 ? 0 : y_ndim - 2;
  const std::size_t batch = std::max(x_batch, y_batch);
  const Letters shared(alphabet.substr(0, batch));
  Letters x_letters = shared.substr(batch - x_batch), y_letters = shared.substr(batch - y_batch), result = shared;
  if (x_ndim >= 2) x_letters += 'x', result += 'x';
  x_letters += 'z', y_letters += 'z';
  if (y_ndim >= 2) y_letters += 'y', result += 'y';
  try {
    broadcast(Shape(x.expr().shape().begin(), x.expr().shape().begin() + static_cast<std::ptrdiff_t>(x_batch)),
              Shape(y.expr().shape().begin(), y.expr().shape().begin() + static_cast<std::ptrdiff_t>(y_batch)));
  } catch (const ExpressionError& error) {
    refuse("matmul", x, y, fmt::format("of the axes before the last two, {}", error.what()));
  }
  const NodeOrigin origin(x.where(), false);
  return contract({{x.expr(), x_letters}, {y.expr(), y_letters}}, result);
}

Expr outer(const Operand& x, const Operand& y) {
  if (x.expr().ndim() != 1 || y.expr().ndim() != 1) {
    refuse("outer", x, y, "expected two vectors; ravel makes one of an array, tensordot(x, y, 0) takes any shapes");
  }
  return sum_of_pairs("outer", x, y, {}, {});
}

Expr tensordot(const Operand& x, const Operand& y, std::size_t axes) {
  const std::size_t x_ndim = x.expr().ndim(), y_ndim = y.expr().ndim();
  if (axes > x_ndim || axes > y_ndim) {
    refuse("tensordot", x, y, fmt::format("expected at most as many axes to sum over as both have, got {}", axes));
  }
  std::vector<std::size_t> x_axes, y_axes;
  for (std::size_t i = 0; i < axes; ++i) {
    x_axes.push_back(x_ndim - axes + i);
    y_axes.push_back(i);
  }
  return sum_of_pairs("tensordot", x, y, x_axes, y_axes);
}

Expr tensordot(const Operand& x, const Operand& y, const Axes& x_axes, const Axes& y_axes) {
  if (x_axes.all() || y_axes.all() || x_axes.values().size() != y_axes.values().size()) {
    refuse("tensordot", x, y, "expected as many axes of the first operand as of the second");
  }
  const auto normalized = [&](const Axes& axes, std::size_t ndim) {
    std::vector<std::size_t> result;
    try {
      for (const Position& axis : axes.values()) result.push_back(normalize_axis(axis, ndim));
    } catch (const ExpressionError& error) {
      refuse("tensordot", x, y, error.what());
    }
    std::vector<std::size_t> sorted = result;
    std::ranges::sort(sorted);
    if (std::ranges::adjacent_find(sorted) != sorted.end()) refuse("tensordot", x, y, "name each axis once");
    return result;
  };
  return sum_of_pairs("tensordot", x, y, normalized(x_axes, x.expr().ndim()), normalized(y_axes, y.expr().ndim()));
}

Expr einsum(std::string_view subscripts, const Parts& operands) {
  const std::vector<Operand>& values = operands.values();
  const SourceLocation where = values.empty() ? operands.where() : values[0].where();
  try {
    if (values.empty()) throw ExpressionError("expected at least one operand, got none");
    const Subscripts parsed = parse(subscripts);
    check_lengths(parsed, values);
    std::vector<Labelled> labelled;
    for (std::size_t k = 0; k < values.size(); ++k) labelled.push_back({values[k].expr(), parsed.operands[k]});
    const NodeOrigin origin(where, false);
    return contract(std::move(labelled), parsed.result);
  } catch (const ExpressionError& error) {
    if (error.where().known()) throw;
    throw ExpressionError(fmt::format("einsum(\"{}\"): {}", subscripts, error.what()), where);
  }
}

}  // namespace allgrad
