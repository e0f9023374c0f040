#include "compile/describe_nonfinite.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "base/mask_recipe.hpp"
#include "base/sign_of_nan.hpp"
#include "dsl/constant.hpp"
#include "graph/shape.hpp"
#include "graph/text.hpp"

namespace allgrad {

namespace {

bool is_gradient(const TracedValue& value) { return !value.operand && value.value.node() != value.node.node(); }

std::string name_of(const Expr& node) {
  return as<Constant>(node) != nullptr ? std::string(node.node()->op->name()) : describe(*node.node());
}

/// "3", "3, 4 of 10": of a vector, which elements.
std::string list(const std::vector<std::size_t>& elements, std::size_t size) {
  constexpr std::size_t most = 5;
  const std::size_t shown = std::min(most, elements.size());
  const std::string more = elements.size() > most ? fmt::format(" and {} more", elements.size() - most) : "";
  return fmt::format("{}{} of {}",
                     fmt::join(elements.begin(), elements.begin() + static_cast<std::ptrdiff_t>(shown), ", "), more,
                     size);
}

std::string_view plural(const std::vector<std::size_t>& elements) { return elements.size() == 1 ? "" : "s"; }

/// Which lane of an operand meets a lane of the value, as broadcasting aligns them; nothing where it does not.
std::optional<std::size_t> lane_of_operand(std::size_t lane, const Expr& value, const Expr& operand) {
  if (!broadcasts_to(operand.shape(), value.shape())) return {};
  const View whole{.strides = row_major_strides(lane_shape(operand.shape()))};
  const std::vector<std::ptrdiff_t> strides = broadcast_view(whole, operand.shape(), value.shape()).strides;
  const std::vector<std::size_t> lanes = lane_shape(value.shape());
  std::size_t result = 0;
  for (std::size_t axis = lanes.size(); axis-- > 0; lane /= lanes[axis]) {
    result += lane % lanes[axis] * static_cast<std::size_t>(strides[axis]);
  }
  return result;
}

/// An operand beside an element of the value.
std::string operand_text(const std::vector<double>& numbers, const Expr& operand, const Expr& value, std::size_t lane) {
  const auto text = [](double number) { return fmt::format("{:.8g}", without_sign_of_nan(number)); };
  if (numbers.size() == 1) return text(numbers[0]);
  if (const auto own = lane_of_operand(lane, value, operand)) return text(numbers[*own]);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < std::min<std::size_t>(numbers.size(), 4); ++i) texts.push_back(text(numbers[i]));
  return fmt::format("[{}{}]", fmt::join(texts, ", "), numbers.size() > texts.size() ? ", ..." : "");
}

std::string operands_text(const TracedValue& value, const Sighting& sighting, std::size_t lane) {
  const std::vector<Expr>& operands = value.node.node()->operands;
  if (is_gradient(value) || operands.empty()) return {};
  std::vector<std::string> texts;
  for (std::size_t k = 0; k < operands.size(); ++k) {
    if (sighting.operands[k].empty()) return {};
    texts.push_back(operand_text(sighting.operands[k], operands[k], value.value, lane));
  }
  return fmt::format(", where its operand{} {}", texts.size() == 1 ? " is" : "s are", fmt::join(texts, ", "));
}

std::string at_line(const Node& node) { return node.where.known() ? " at " + node.where.str() : ""; }

std::string subject(const TracedValue& value) {
  const Node& node = *value.node.node();
  if (is_gradient(value)) return "the gradient, a sum of finite contributions,";
  const std::string name = name_of(value.node) + at_line(node);
  if (!value.operand) return name;
  constexpr std::array<std::string_view, 3> ordinals = {"first", "second", "third"};
  if (node.operands.size() == 1 || *value.operand >= ordinals.size()) return "the derivative of " + name;
  return fmt::format("the derivative of {} by its {} operand", name, ordinals[*value.operand]);
}

std::string place_text(const TracedValue& value, const Sighting& sighting) {
  std::string text;
  if (sighting.row) text += fmt::format(" in row {} of {}", *sighting.row, rows_of(value.value.shape())->table);
  if (sighting.rank) text += fmt::format(" on rank {}", *sighting.rank);
  return text;
}

/// A logarithm of totals that are 0: the usual case of a bin that is empty.
std::optional<std::string> zeros_under_logarithm(const TracedValue& value, const Sighting& sighting,
                                                 const std::vector<std::size_t>& elements) {
  const Node& node = *value.node.node();
  const bool is_logarithm = node.op->name() == "log" || node.op->name() == "log10";
  if (!is_logarithm || value.operand || is_gradient(value) || sighting.row) return {};
  const auto are_zero = [&](const std::vector<double>& numbers) {
    return numbers.size() == sighting.value.size() &&
           std::ranges::all_of(elements, [&](std::size_t i) { return numbers[i] == 0.0; });
  };
  if (!are_zero(sighting.operands[0])) return {};
  const std::string_view what = are_zero(sighting.sumstats) ? "statistic" : "element";
  return fmt::format("{}{} {} {} 0 under {}{}{}", what, plural(elements), list(elements, sighting.value.size()),
                     elements.size() == 1 ? "is" : "are", node.op->name(), at_line(node), place_text(value, sighting));
}

}  // namespace

Nonfinite describe_nonfinite(const TracedValue& value, const Sighting& sighting) {
  std::vector<std::size_t> elements;
  for (std::size_t i = 0; i < sighting.value.size(); ++i) {
    if (!std::isfinite(sighting.value[i])) elements.push_back(i);
  }
  const double first = without_sign_of_nan(sighting.value.at(elements.at(0)));
  std::string text;
  if (auto zeros = zeros_under_logarithm(value, sighting, elements)) {
    text = *std::move(zeros);
  } else {
    text = fmt::format("{} is {}{}", subject(value), first, place_text(value, sighting));
    if (sighting.value.size() > 1) {
      text += fmt::format(", at element{} {}", plural(elements), list(elements, sighting.value.size()));
    }
    text += operands_text(value, sighting, elements[0]);
  }
  return {.node = is_gradient(value) ? "gradient" : name_of(value.node),
          .where = value.node.node()->where,
          .is_derivative = value.operand.has_value() || is_gradient(value),
          .value = first,
          .row = sighting.row,
          .rank = sighting.rank,
          .elements = std::move(elements),
          .text = std::move(text)};
}

std::string Nonfinite::str() const { return fmt::format("{}. To keep it finite there, {}", text, mask_recipe); }

}  // namespace allgrad
