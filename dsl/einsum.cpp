// einsum: subscripts give letters for the axes of operands and result, for `contract`. An ellipsis stands for letters
// that the subscripts lack; of an axis whose letter an operand has already, the diagonal is taken first.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "allgrad/contractions.hpp"
#include "allgrad/error.hpp"
#include "dsl/contraction.hpp"
#include "dsl/matrices.hpp"
#include "dsl/transpose.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

constexpr std::string_view ellipsis_text = "...";

/// The letters of the subscripts, one word for each operand and one for the result.
struct Subscripts {
  std::vector<std::string> operands;
  std::string result;
  bool names_result;
};

bool has_ellipsis(const std::string& word) { return word.find(ellipsis_text) != std::string::npos; }

std::string without_ellipsis(std::string word) {
  const std::size_t at = word.find(ellipsis_text);
  return at == std::string::npos ? word : word.erase(at, ellipsis_text.size());
}

Subscripts parse(std::string text) {
  std::erase(text, ' ');
  const std::size_t arrow = text.find("->");
  Subscripts subscripts{{}, {}, arrow != std::string::npos};
  if (subscripts.names_result) subscripts.result = text.substr(arrow + 2);
  const std::string left = text.substr(0, arrow);
  for (std::size_t start = 0; start <= left.size();) {
    const std::size_t comma = std::min(left.find(',', start), left.size());
    subscripts.operands.push_back(left.substr(start, comma - start));
    start = comma + 1;
  }
  std::vector<std::string> words = subscripts.operands;
  words.push_back(subscripts.result);
  for (const std::string& word : words) {
    for (const char letter : without_ellipsis(word)) {
      if (alphabet.find(letter) != std::string_view::npos) continue;
      throw ExpressionError(fmt::format(
          "expected letters, commas, one \"->\" and at most one \"...\" for each operand, got '{}'", letter));
    }
  }
  return subscripts;
}

/// How many axes the ellipsis of a word stands for.
std::size_t num_unnamed(const std::string& word, const Shape& shape) {
  const std::size_t named = without_ellipsis(word).size();
  if (named == shape.size() || (named < shape.size() && has_ellipsis(word))) return shape.size() - named;
  throw ExpressionError(
      fmt::format("\"{}\" has {} letters for a value of shape {}; give each axis one, or those that it "
                  "leaves out the place of \"...\"",
                  word, named, to_string(shape)));
}

/// The word with the last letters of `unnamed` in place of its ellipsis.
Letters expanded(const std::string& word, const Letters& unnamed, std::size_t axes) {
  const std::size_t at = word.find(ellipsis_text);
  if (at == std::string::npos) return word;
  return std::string(word).replace(at, ellipsis_text.size(), unnamed.substr(unnamed.size() - axes));
}

/// Puts letters in place of ellipses, and those of the result where it is not named: the axes of ellipses, and letters
/// that occur once.
void expand(Subscripts& subscripts, const std::vector<Operand>& values) {
  std::vector<std::size_t> axes;
  std::string used = subscripts.result;
  for (std::size_t k = 0; k < values.size(); ++k) {
    axes.push_back(num_unnamed(subscripts.operands[k], values[k].expr().shape()));
    used += subscripts.operands[k];
  }
  const std::size_t longest = std::ranges::max(axes);
  Letters unnamed;
  for (const char letter : alphabet) {
    if (unnamed.size() < longest && used.find(letter) == std::string::npos) unnamed += letter;
  }
  std::map<char, std::size_t> counts;
  for (const std::string& word : subscripts.operands) {
    for (const char letter : without_ellipsis(word)) ++counts[letter];
  }
  if (!subscripts.names_result) {
    subscripts.result = ellipsis_text;
    for (const auto& [letter, count] : counts) {
      if (count == 1) subscripts.result += letter;
    }
  }
  if (longest > 0 && !has_ellipsis(subscripts.result)) {
    throw ExpressionError("the axes of \"...\" are in no place of the result; put \"...\" there, too");
  }
  subscripts.result = expanded(subscripts.result, unnamed, longest);
  for (std::size_t k = 0; k < values.size(); ++k) {
    subscripts.operands[k] = expanded(subscripts.operands[k], unnamed, axes[k]);
  }
  for (const char letter : subscripts.result) {
    if (std::ranges::count(subscripts.result, letter) > 1) {
      throw ExpressionError(
          fmt::format("the letter {} is in the result twice; name each axis of it by a letter of its own", letter));
    }
    if (unnamed.find(letter) == std::string::npos && !counts.contains(letter)) {
      throw ExpressionError(fmt::format("the result has the letter {}, which no operand has", letter));
    }
  }
}

/// The operand with the diagonal of axes that have one letter, which the last axis has then.
Labelled with_each_letter_once(Labelled x) {
  for (;;) {
    const auto again = std::ranges::find_if(x.letters, [&](char c) { return std::ranges::count(x.letters, c) > 1; });
    if (again == x.letters.end()) return x;
    const char letter = *again;
    const std::size_t first = x.letters.find(letter), second = x.letters.find(letter, first + 1);
    const Shape& shape = x.expr.shape();
    if (!(shape[first] == shape[second])) {
      throw ExpressionError(
          fmt::format("the letter {} stands for axes of lengths {} and {} of one operand, whose diagonal "
                      "is meant; they must be equal",
                      letter, length_text(shape[first]), length_text(shape[second])));
    }
    std::vector<std::size_t> order;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      if (axis != first && axis != second) order.push_back(axis);
    }
    order.insert(order.end(), {first, second});
    x.expr = diagonal(transposed(x.expr, order, x.expr.node()->where));
    x.letters.erase(second, 1);
    x.letters.erase(first, 1);
    x.letters += letter;
  }
}

void check_lengths(const std::vector<Labelled>& operands) {
  std::map<char, Extent> extents;
  for (const auto& [expr, letters] : operands) {
    for (std::size_t axis = 0; axis < letters.size(); ++axis) {
      const Extent& own = expr.shape()[axis];
      const auto [entry, is_first] = extents.try_emplace(letters[axis], own);
      if (is_first || entry->second == own) continue;
      if (entry->second == Extent(1)) {
        entry->second = own;
      } else if (!(own == Extent(1))) {
        throw ExpressionError(
            fmt::format("the letter {} stands for axes of lengths {} and {}; they must be equal, or 1", letters[axis],
                        length_text(entry->second), length_text(own)));
      }
    }
  }
}

}  // namespace

Expr einsum(std::string_view subscripts, const Parts& operands) {
  const std::vector<Operand>& values = operands.values();
  const SourceLocation where = values.empty() ? operands.where() : values[0].where();
  try {
    if (values.empty()) throw ExpressionError("expected at least one operand, got none");
    Subscripts parsed = parse(std::string(subscripts));
    if (parsed.operands.size() != values.size()) {
      throw ExpressionError(fmt::format("expected letters for {} operands, got them for {}; separate them by commas",
                                        values.size(), parsed.operands.size()));
    }
    expand(parsed, values);
    const NodeOrigin origin(where, false);
    std::vector<Labelled> labelled;
    for (std::size_t k = 0; k < values.size(); ++k) {
      labelled.push_back(with_each_letter_once({values[k].expr(), parsed.operands[k]}));
    }
    check_lengths(labelled);
    return contract(std::move(labelled), parsed.result);
  } catch (const ExpressionError& error) {
    if (error.where().known()) throw;
    throw ExpressionError(fmt::format("einsum(\"{}\"): {}", subscripts, error.what()), where);
  }
}

}  // namespace allgrad
