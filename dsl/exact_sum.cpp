// bin_sum: sums over rows, and lanes, as bins that are added without rounding, [rows, .., n, ..] -> [.., bins].
// bin_scatter: the same of sums of rows at positions, x [rows, ..] and index [rows, ..] -> [.., n, bins].
// round_bins: the numbers that bins are. Between the two an allreduce adds the shares.
#include "dsl/exact_sum.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "dsl/bins.hpp"
#include "dsl/collectives.hpp"
#include "dsl/kernel_id.hpp"
#include "dsl/sum.hpp"
#include "dsl/take.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

/// Adds a number to the sum of two, the second of which is what the first has lost by rounding.
void add_exactly(double& sum, double& lost, double number) {
  const double total = sum + number, part = total - sum;
  lost += (sum - (total - part)) + (number - part);
  sum = total;
}

/// `at(i)` are the bins. Those that some runs have dropped are left out: below the two under the highest of all runs.
template <class F>
double round(F at) {
  if (at(bins::not_finite) != 0.0) return at(bins::not_finite);  // NaN too
  std::size_t highest = bins::num_windows;
  while (highest > 0 && at(bins::per_window * (highest - 1) + 2) == 0.0) --highest;
  double sum = at(bins::too_large), lost = 0.0;
  for (std::size_t window = highest; window-- > 0 && window + 3 >= highest;) {
    add_exactly(sum, lost, at(bins::per_window * window));
    add_exactly(sum, lost, at(bins::per_window * window + 1));
  }
  return sum + lost;
}

}  // namespace

std::string BinSum::attributes() const { return fmt::format("axes={}", axes_); }

void BinSum::identify(Fingerprint& hash) const {
  for (const std::size_t axis : axes_) hash.add(axis);
}

Shape BinSum::infer_shape(std::span<const Expr> operands) const {
  Shape shape;
  for (const std::size_t axis : remaining_axes(operands[0].shape(), axes_)) shape.push_back(operands[0].shape()[axis]);
  shape.emplace_back(bins::size);
  return shape;
}

Array BinSum::evaluate(const Node& node, std::span<const Array* const> operands, Evaluation&) const {
  Array result = xt::zeros<double>(local_shape(node.shape));
  const Array& x = *operands[0];
  const std::vector<std::size_t> kept = remaining_axes(node.operands[0].shape(), axes_);
  std::vector<std::size_t> index(x.dimension(), 0);
  for (const double term : x) {
    std::size_t lane = 0;
    for (const std::size_t axis : kept) lane = lane * x.shape()[axis] + index[axis];
    bins::add_term(result.data() + lane * bins::size, term);
    for (std::size_t axis = index.size(); axis-- > 0 && ++index[axis] == x.shape()[axis];) index[axis] = 0;
  }
  return result;
}

View BinSum::lower(const Node& node, Lowering& lowering) const {
  const Shape& domain = node.operands[0].shape();
  const View out = lowering.zeros(node.shape);
  lowering.emit_add(Kernel::add_to_bins, sink_of(out, domain, axes_), {lowering.operand(0)}, domain);
  return out;
}

Shape BinScatter::infer_shape(std::span<const Expr>) const {
  Shape shape = shape_;
  shape.emplace_back(bins::size);
  return shape;
}

void BinScatter::call(const Node& node, const CallArguments& arguments) const {
  for_each_scattered(node, arguments, 2, [](double* sum, double term) { bins::add_term(sum, term); });
}

Shape RoundBins::infer_shape(std::span<const Expr> operands) const {
  Shape shape = operands[0].shape();
  shape.pop_back();
  return shape;
}

Array RoundBins::evaluate(const Node& node, std::span<const Array* const> operands, Evaluation&) const {
  Array result = Array::from_shape(local_shape(node.shape));
  for (std::size_t i = 0; i < result.size(); ++i) {
    const double* numbers = operands[0]->data() + i * bins::size;
    result.storage()[i] = round([&](std::size_t k) { return numbers[k]; });
  }
  return result;
}

View RoundBins::lower(const Node& node, Lowering& lowering) const {
  const View out = lowering.allocate(node.shape);
  lowering.emit_call(out);
  return out;
}

void RoundBins::call(const Node& node, const CallArguments& arguments) const {
  const CallOperand& in = arguments.in[0];
  const std::ptrdiff_t bin = in.strides.back();
  for (std::size_t i = 0; i < num_lanes(node.shape); ++i) {
    std::ptrdiff_t at = 0;
    std::size_t rest = i;
    for (std::size_t axis = arguments.out.lanes.size(); axis-- > 0; rest /= in.lanes[axis]) {
      at += static_cast<std::ptrdiff_t>(rest % in.lanes[axis]) * in.strides[axis];
    }
    arguments.out.data[i] = round([&](std::size_t k) { return in.data[at + static_cast<std::ptrdiff_t>(k) * bin]; });
  }
}

Expr exact_scatter(const Expr& scatter) {
  const Node& node = *scatter.node();
  const Expr shares = make_node(std::make_shared<const BinScatter>(node.shape), node.operands, node.where);
  return make_node(std::make_shared<const RoundBins>(), {allreduce(shares)}, node.where);
}

Expr exact_row_sum(const Expr& x, std::vector<std::size_t> axes) {
  const SourceLocation& where = x.node()->where;
  const Expr shares = make_node(std::make_shared<const BinSum>(std::move(axes)), {x}, where);
  return make_node(std::make_shared<const RoundBins>(), {allreduce(shares)}, where);
}

}  // namespace allgrad
