// The random functions of expressions. Each is made of draws, which number their elements as one process that holds
// all rows would.
#include "dsl/random_draws.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <xtensor/xbuilder.hpp>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "allgrad/random.hpp"
#include "dsl/constant.hpp"
#include "dsl/reshape.hpp"
#include "dsl/row_count.hpp"
#include "dsl/row_number.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

constexpr DrawRow draw_rows[] = {
#define ALLGRAD_DRAW(name, value) {#name, Kernel::name, [](const RandomWords& words) -> double { return value; }},
#include "dsl/draws.def"
};

/// Elements are numbered by doubles; see integer_of.
constexpr double most_draws = 0x1p52;

/// Of all ranks.
double num_draws(const Shape& shape) {
  double count = 1.0;
  for (const Extent& extent : shape) {
    count *= static_cast<double>(extent.is_rows() ? extent.rows->total_rows : extent.length);
  }
  return count;
}

Expr draw(Kernel kernel, const random::KeyOperand& key, const Expr& numbers) {
  const auto row = static_cast<std::size_t>(kernel) - static_cast<std::size_t>(draw_rows[0].kernel);
  return make_node(std::make_shared<const Draw>(draw_rows[row]), {key.expr(), numbers}, key.where());
}

/// Both words of what the key gives for each number, along a last axis [.., 2]: a key.
Expr draw_keys(const random::KeyOperand& key, const Expr& numbers) {
  return stack({draw(Kernel::random_word0, key, numbers), draw(Kernel::random_word1, key, numbers)}, -1);
}

void check_count(const Shape& shape, const random::KeyOperand& key) {
  try {
    check_size(shape);
    if (num_draws(shape) < most_draws) return;
    throw ExpressionError(
        fmt::format("expected fewer than 2^52 draws over all rows, got shape {}; draw with several "
                    "keys, of split(key, n)",
                    to_string(shape)));
  } catch (const ExpressionError& error) {
    throw ExpressionError(error.what(), key.where());
  }
}

/// The number of each element in row-major order, among the rows of all ranks where there is a row axis.
Expr element_numbers(const Shape& shape, const random::KeyOperand& key) {
  check_count(shape, key);
  const auto rows_at = row_axis(shape);
  std::vector<std::size_t> lanes;
  for (const Extent& extent : shape) lanes.push_back(extent.is_rows() ? 1 : extent.length);
  // Behind the row axis, and before it, where all rows of the table are between one element and the next.
  Array numbers = xt::zeros<double>(lanes), blocks = xt::zeros<double>(lanes);
  double stride = 1.0, row_stride = 0.0;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    if (axis == rows_at) {
      row_stride = stride;
      continue;
    }
    const auto length = static_cast<double>(lanes[axis]);
    std::vector<std::size_t> along(shape.size(), 1);
    along[axis] = lanes[axis];
    Array steps = stride * xt::arange<double>(length);
    (row_stride == 0.0 ? numbers : blocks) += steps.reshape(along);
    stride *= length;
  }
  if (!rows_at) return constant(numbers);
  const Expr row = make_node(std::make_shared<const RowNumber>(shape[*rows_at].rows), {}, {});
  Shape along(shape.size(), Extent(1));
  along[*rows_at] = shape[*rows_at];
  Expr result = reshaped(row_stride == 1.0 ? row : row * row_stride, along);
  if (num_lanes(shape) != 1) result = result + numbers;
  const bool has_blocks = std::ranges::any_of(blocks.storage(), [](double number) { return number > 0.0; });
  if (has_blocks) result = result + row_count(shape[*rows_at].rows, {}) * blocks;
  return result;
}

void check_bound(const Operand& bound, const Shape& shape) {
  if (broadcasts_to(bound.expr().shape(), shape)) return;
  throw ExpressionError(fmt::format("uniform: expected bounds that broadcast to the shape of the draws, {}, got one of "
                                    "shape {}; draw with the larger shape, or bring the bound to it",
                                    to_string(shape), to_string(bound.expr().shape())),
                        bound.where());
}

void check_fold_data(const Operand& data) {
  if (data.expr().ndim() != 0) {
    throw ExpressionError(fmt::format("fold_in: expected one number to fold into the key, shape [], got shape {}; fold "
                                      "in one number after the other",
                                      to_string(data.expr().shape())),
                          data.where());
  }
  const auto value = uniform_value(data.expr());
  if (!value || (*value >= 0.0 && *value < 0x1p32 && std::floor(*value) == *value)) return;
  throw ExpressionError(
      fmt::format("fold_in: expected a whole number from 0 to 4294967295 to fold into the key, got {}; number what the "
                  "key is for, 0, 1, 2, ...",
                  *value),
      data.where());
}

}  // namespace

Shape Draw::infer_shape(std::span<const Expr> operands) const {
  const Shape& key = operands[0].shape();
  if (key == Shape{2}) return operands[1].shape();
  throw ExpressionError(
      fmt::format("expected a key, shape [2], got shape {}; pass random::key(), one of split(key, n) "
                  "as in split(key, 3)[0], or fold_in(key, number)",
                  to_string(key)));
}

Array Draw::evaluate(const Node&, std::span<const Array* const> operands, Evaluation&) const {
  const auto word = [&](std::size_t i) { return static_cast<std::uint32_t>((*operands[0])(i)); };
  Array result = *operands[1];
  for (double& element : result) element = row_.value(threefry(word(0), word(1), integer_of(element)));
  return result;
}

View Draw::lower(const Node& node, Lowering& lowering) const {
  const View& key = lowering.operand(0);
  const View word0{key.buffer, key.offset, {}};
  const View word1{key.buffer, key.offset + static_cast<std::size_t>(key.strides[0]), {}};
  const View out = lowering.allocate(node.shape);
  lowering.emit(row_.kernel, out,
                {broadcast_view(word0, {}, node.shape), broadcast_view(word1, {}, node.shape), lowering.operand(1)},
                node.shape);
  return out;
}

namespace random {

KeyOperand::KeyOperand(const Key& key, SourceLocation where)
    : Operand(Array{static_cast<double>(key.words()[0]), static_cast<double>(key.words()[1])}, where) {}

// What a function builds belongs to the line of its key.

Expr uniform(const KeyOperand& key, const Shape& shape) {
  const NodeOrigin origin(key.where(), false);
  return draw(Kernel::random_uniform, key, element_numbers(shape, key));
}

Expr uniform(const KeyOperand& key, const Shape& shape, const Operand& minval, const Operand& maxval) {
  check_bound(minval, shape);
  check_bound(maxval, shape);
  const NodeOrigin origin(key.where(), false);
  return maximum(minval.expr(), uniform(key, shape) * (maxval.expr() - minval.expr()) + minval.expr());
}

Expr normal(const KeyOperand& key, const Shape& shape) {
  const NodeOrigin origin(key.where(), false);
  const double lowest = std::nextafter(-1.0, 0.0);  // not -1, where erfinv is infinite
  return std::numbers::sqrt2 * erfinv(uniform(key, shape) * 2.0 + lowest);
}

Expr bits(const KeyOperand& key, const Shape& shape) {
  const NodeOrigin origin(key.where(), false);
  return draw(Kernel::random_bits, key, element_numbers(shape, key));
}

Expr split(const KeyOperand& key, std::size_t n) {
  const NodeOrigin origin(key.where(), false);
  return draw_keys(key, element_numbers({n}, key));
}

Expr fold_in(const KeyOperand& key, const Operand& data) {
  check_fold_data(data);
  const NodeOrigin origin(key.where(), false);
  return draw_keys(key, data.expr());
}

}  // namespace random

}  // namespace allgrad
