// contraction: x, y -> the sum of their products over the letters that the result lacks. Adjoint: the contraction of
// the cotangent with the other operand. It is the way of large values that are not per row; where there are rows, a
// product and its sum are run lane by lane and never stored.
#include "dsl/contraction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "base/finite.hpp"
#include "dsl/elementwise.hpp"
#include "dsl/reshape.hpp"
#include "dsl/sum.hpp"
#include "dsl/transpose.hpp"

namespace allgrad {

namespace {

/// Products of so many numbers are stored rather than added up one by one: their kernels take several at a time.
constexpr double small_product = 4096.0;

bool has(const Letters& letters, char letter) { return letters.find(letter) != Letters::npos; }

void add_letters(Letters& to, const Letters& from) {
  for (const char letter : from) {
    if (!has(to, letter)) to += letter;
  }
}

/// Length of a letter's axis.
Extent extent_of(char letter, std::initializer_list<const Labelled*> operands) {
  Extent extent(1);
  for (const Labelled* operand : operands) {
    const std::size_t axis = operand->letters.find(letter);
    if (axis != Letters::npos && extent == Extent(1)) extent = operand->expr.shape()[axis];
  }
  return extent;
}

/// Rows count as many.
double length_of(const Extent& extent) { return extent.is_rows() ? 1e3 : static_cast<double>(extent.length); }

/// The number of products of two operands.
double num_products(const Labelled& x, const Labelled& y, const Letters& letters) {
  double count = 1.0;
  for (const char letter : letters) {
    count *= length_of(extent_of(letter, {&x, &y}));
  }
  return count;
}

/// The sum over the letters that are not kept.
Labelled summed_letters(const Labelled& x, const Letters& kept) {
  Labelled result{x.expr, {}};
  std::vector<std::size_t> axes;
  for (std::size_t axis = 0; axis < x.letters.size(); ++axis) {
    if (has(kept, x.letters[axis])) {
      result.letters += x.letters[axis];
    } else {
      axes.push_back(axis);
    }
  }
  result.expr = sum_over(x.expr, axes, x.expr.node()->where);
  return result;
}

/// The axes in the order of `letters`, with length 1 for those that the value lacks.
Expr aligned_letters(const Labelled& x, const Letters& letters) {
  std::vector<std::size_t> order;
  for (const char letter : letters) {
    if (has(x.letters, letter)) order.push_back(x.letters.find(letter));
  }
  const Expr ordered = transposed(x.expr, order, x.expr.node()->where);
  Shape shape;
  std::size_t next = 0;
  for (const char letter : letters) shape.push_back(has(x.letters, letter) ? ordered.shape()[next++] : Extent(1));
  return reshaped(ordered, shape);
}

/// Without axes of length 1 that the other operand has longer.
Labelled unstretched_operand(const Labelled& x, const Labelled& y) {
  Labelled result{x.expr, {}};
  Shape shape;
  for (std::size_t axis = 0; axis < x.letters.size(); ++axis) {
    const char letter = x.letters[axis];
    const bool stretches = x.expr.shape()[axis] == Extent(1) && !(extent_of(letter, {&x, &y}) == Extent(1));
    if (stretches) continue;
    result.letters += letter;
    shape.push_back(x.expr.shape()[axis]);
  }
  result.expr = reshaped(x.expr, shape);
  return result;
}

/// Which two operands to multiply first, so that all of them are contracted with the fewest products.
class ContractionOrder {
 public:
  ContractionOrder(const std::vector<Labelled>& operands, Letters result) : result_(std::move(result)) {
    for (const Labelled& operand : operands) {
      for (std::size_t axis = 0; axis < operand.letters.size(); ++axis) {
        double& length = lengths_[operand.letters[axis]];
        length = std::max(length, length_of(operand.expr.shape()[axis]));
      }
    }
  }

  using Pair = std::pair<std::size_t, std::size_t>;

  /// All orders are tried for a few operands; of more, those of the smallest product come first.
  Pair first_pair(const std::vector<Letters>& words) const { return cheapest(words).first; }

  /// The letters of the product of two operands that the result or another operand has.
  Letters kept(const std::vector<Letters>& words, std::size_t i, std::size_t j) const {
    Letters letters = result_;
    for (std::size_t k = 0; k < words.size(); ++k) {
      if (k != i && k != j) add_letters(letters, words[k]);
    }
    return letters;
  }

 private:
  std::pair<Pair, double> cheapest(const std::vector<Letters>& words) const {
    constexpr std::size_t few = 5;
    std::pair<Pair, double> best{{0, 1}, infinity};
    for (std::size_t i = 0; i < words.size(); ++i) {
      for (std::size_t j = i + 1; j < words.size(); ++j) {
        Letters all = words[i];
        add_letters(all, words[j]);
        double cost = 1.0;
        for (const char letter : all) cost *= lengths_.at(letter);
        if (words.size() > 2 && words.size() <= few) {
          const Letters letters = kept(words, i, j);
          std::vector<Letters> rest = words;
          std::erase_if(all, [&](char letter) { return !has(letters, letter); });
          rest[i] = all;
          rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(j));
          cost += cheapest(rest).second;
        }
        if (cost < best.second) best = {{i, j}, cost};
      }
    }
    return best;
  }

  Letters result_;
  std::map<char, double> lengths_;
};

Labelled contract_two(const Labelled& whole_x, const Labelled& whole_y, const Letters& kept, Terms terms) {
  const Labelled x = summed_letters(unstretched_operand(whole_x, whole_y), kept + whole_y.letters);
  const Labelled y = summed_letters(unstretched_operand(whole_y, whole_x), kept + x.letters);
  Letters all, result;
  add_letters(all, x.letters);
  add_letters(all, y.letters);
  for (const char letter : all) {
    if (has(kept, letter)) result += letter;
  }
  const SourceLocation where = x.expr.node()->where;
  const bool has_rows = row_axis(x.expr.shape()) || row_axis(y.expr.shape());
  const bool is_contraction = !has_rows && result.size() < all.size() && all.size() <= max_lane_axes;
  if (is_contraction && num_products(x, y, all) > small_product) {
    if (x.expr.node()->finite && y.expr.node()->finite) terms = Terms::products;
    const auto op = std::make_shared<const Contraction>(x.letters, y.letters, result, terms);
    return {make_node(op, {x.expr, y.expr}, where), result};
  }
  // In the order of the larger operand, so that the product is made where that is.
  const auto lanes = [](const Labelled& operand) { return num_lanes(operand.expr.shape()); };
  Letters order = lanes(x) < lanes(y) ? y.letters : x.letters;
  add_letters(order, all);
  const Expr a = aligned_letters(x, order), b = aligned_letters(y, order),
             products = terms == Terms::products ? a * b : chain(a, b);
  return summed_letters({products, order}, kept);
}

}  // namespace

void Contraction::identify(Fingerprint& hash) const { hash.add(attributes()); }

Shape Contraction::infer_shape(std::span<const Expr> operands) const {
  const Labelled x{operands[0], x_}, y{operands[1], y_};
  Shape shape;
  for (const char letter : result_) shape.push_back(extent_of(letter, {&x, &y}));
  return shape;
}

Expr Contraction::adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const {
  const std::vector<Expr>& operands = node.node()->operands;
  return contract({{cotangent, result_}, {operands[1 - k], k == 0 ? y_ : x_}}, k == 0 ? x_ : y_, Terms::safe_products);
}

Expr Contraction::tangent(const Expr& node, std::span<const Expr> tangents) const {
  const std::vector<Expr>& operands = node.node()->operands;
  const auto contracted = [&](const Expr& x, const Expr& y) {
    return contract({{x, x_}, {y, y_}}, result_, Terms::safe_products);
  };
  Expr change;
  if (!tangents[0].empty()) change = contracted(tangents[0], operands[1]);
  if (tangents[1].empty()) return change;
  const Expr by_y = contracted(operands[0], tangents[1]);
  return change.empty() ? by_y : change + by_y;
}

void Contraction::call(const Node& node, const CallArguments& arguments) const {
  const Labelled x{node.operands[0], x_}, y{node.operands[1], y_};
  Letters all = result_;
  add_letters(all, x_);
  add_letters(all, y_);
  Shape domain;
  for (const char letter : all) domain.push_back(extent_of(letter, {&x, &y}));
  const auto strides = [&](const CallOperand& operand, const Letters& letters) {
    LaneStrides result{};
    for (std::size_t axis = 0; axis < all.size(); ++axis) {
      if (has(letters, all[axis])) result[axis] = operand.strides[letters.find(all[axis])];
    }
    return result;
  };
  const CallOperand &out = arguments.out, &in_x = arguments.in[0], &in_y = arguments.in[1];
  for_each_lane<3>(domain, {strides(out, result_), strides(in_x, x_), strides(in_y, y_)}, [&](const auto& at) {
    const double a = in_x.data[at[1]], b = in_y.data[at[2]];
    const bool is_zero = terms_ == Terms::safe_products && (a == 0.0 || b == 0.0);
    out.data[at[0]] += is_zero ? 0.0 : a * b;
  });
}

std::string length_text(const Extent& extent) {
  return extent.is_rows() ? fmt::format("the rows of table \"{}\"", extent.rows->table)
                          : fmt::format("{}", extent.length);
}

Expr contract(std::vector<Labelled> operands, const Letters& result, Terms terms) {
  if (operands.size() == 1) {
    const Labelled sum = summed_letters(operands[0], result);
    return aligned_letters(sum, result);
  }
  const ContractionOrder order(operands, result);
  while (operands.size() > 1) {
    std::vector<Letters> words;
    for (const Labelled& operand : operands) words.push_back(operand.letters);
    const auto [i, j] = order.first_pair(words);
    operands[i] = contract_two(operands[i], operands[j], order.kept(words, i, j), terms);
    operands.erase(operands.begin() + static_cast<std::ptrdiff_t>(j));
  }
  return aligned_letters(operands[0], result);
}

}  // namespace allgrad
