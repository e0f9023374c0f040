// searchsorted: sorted [.., n], x [..] -> [..], by bisection; NaN counts as larger than all. Zero derivative by design.
#include "dsl/searchsorted.hpp"

#include <fmt/format.h>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"

namespace allgrad {

namespace {

/// How many of `length` increasing numbers are not behind x.
template <Side side>
std::size_t count_before(const double* numbers, std::ptrdiff_t step, std::size_t length, double x) {
  std::size_t low = 0, high = length;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const double number = numbers[static_cast<std::ptrdiff_t>(middle) * step];
    const bool is_before = side == Side::left ? !(number >= x) : !(number > x);
    if (is_before) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace

void SearchSorted::identify(Fingerprint& hash) const { hash.add(side_ == Side::right); }

Shape SearchSorted::infer_shape(std::span<const Expr> operands) const {
  const Shape& sorted = operands[0].shape();
  if (sorted.empty() || sorted.back().is_rows()) {
    throw ExpressionError(
        fmt::format("expected increasing numbers along a last axis of lanes, got shape {}; rows have "
                    "no order",
                    to_string(sorted)));
  }
  return broadcast(Shape(sorted.begin(), sorted.end() - 1), operands[1].shape());
}

void SearchSorted::call(const Node& node, const CallArguments& arguments) const {
  const CallOperand &out = arguments.out, &sorted = arguments.in[0], &x = arguments.in[1];
  const Shape &to = node.shape, &from = node.operands[0].shape();
  const std::ptrdiff_t step = sorted.strides.back();
  const std::size_t length = from.back().length;
  const std::array<LaneStrides, 3> strides = {strides_along(out, to, to), strides_along(sorted, from, to, 1),
                                              strides_along(x, node.operands[1].shape(), to)};
  const auto count = side_ == Side::left ? count_before<Side::left> : count_before<Side::right>;
  for_each_lane<3>(to, strides, [&](const auto& at) {
    for (std::size_t row = 0; row < arguments.num_rows; ++row) {
      const auto r = static_cast<std::ptrdiff_t>(row);
      out.data[at[0] + r * out.row_stride] = static_cast<double>(
          count(sorted.data + at[1] + r * sorted.row_stride, step, length, x.data[at[2] + r * x.row_stride]));
    }
  });
}

Expr searchsorted(const Operand& sorted, const Operand& x, Side side) {
  return make_node(std::make_shared<const SearchSorted>(side), {sorted.expr(), x.expr()}, x.where());
}

}  // namespace allgrad
