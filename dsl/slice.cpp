// slice and index: some elements of an axis, or one, without its axis. pad: their adjoint, with zeros elsewhere. The
// row axis cannot be sliced. A slice is executed as a view.
#include "dsl/slice.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "dsl/input.hpp"
#include "dsl/kernel_id.hpp"
#include "dsl/reshape.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

/// The part of a full view that a slice takes.
View slice_view(const View& full, const Shape& shape, const AxisSlice& slice) {
  View view = full;
  const std::size_t lane = lane_axis(shape, slice.axis);
  view.offset = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(full.offset) +
                                         full.strides[lane] * static_cast<std::ptrdiff_t>(slice.start));
  if (slice.drop) {
    view.strides.erase(view.strides.begin() + static_cast<std::ptrdiff_t>(lane));
  } else {
    view.strides[lane] *= slice.step;
  }
  return view;
}

Shape sliced_shape(Shape shape, const AxisSlice& slice) {
  if (slice.drop) {
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(slice.axis));
  } else {
    shape[slice.axis] = Extent(slice.count);
  }
  return shape;
}

AxisSlice resolve_index(const Position& index, std::size_t axis, std::size_t size) {
  const auto length = static_cast<std::ptrdiff_t>(size);
  const std::ptrdiff_t position = index.value() < 0 ? index.value() + length : index.value();
  if (index.is_too_large() || position < 0 || position >= length) {
    throw ExpressionError(
        fmt::format("index {} is out of bounds for axis {} of length {}; {}", index.str(), axis, length,
                    length == 0 ? "it has no elements" : fmt::format("valid are {} to {}", -length, length - 1)));
  }
  return {axis, static_cast<std::size_t>(position), 1, 1, size, true};
}

AxisSlice resolve_range(const Range& range, std::size_t axis, std::size_t size) {
  for (const Position& position : {range.start, range.stop, range.step}) {
    if (!position.is_too_large()) continue;
    throw ExpressionError(
        fmt::format("expected a range of numbers below 2^63, got {}; use signed integers, or Range::end "
                    "for the end",
                    position.str()));
  }
  const std::ptrdiff_t step = range.step.value();
  if (step == 0) throw ExpressionError("expected a range with a step other than 0, got 0; 1 takes every element");
  const auto length = static_cast<std::ptrdiff_t>(size);
  const bool backwards = step < 0;
  const auto clamp = [&](std::ptrdiff_t position) {
    const std::ptrdiff_t low = backwards ? -1 : 0;
    return std::clamp(position < 0 ? position + length : position, low, length + low);
  };
  const std::ptrdiff_t start = clamp(range.start.value());
  const std::ptrdiff_t stop = backwards && range.stop == Position(Range::end) ? -1 : clamp(range.stop.value());
  const std::ptrdiff_t way = backwards ? start - stop : stop - start;
  if (way <= 0) return {axis, 0, 1, 0, size, false};
  // Steps beyond the axis are counted as one that leads out of it, which cannot overflow.
  const std::ptrdiff_t stride = backwards ? -std::max(step, -length) : std::min(step, length);
  const std::ptrdiff_t count = (way - 1) / stride + 1;
  return {axis,
          static_cast<std::size_t>(start),
          count == 1  ? 1
          : backwards ? -stride
                      : stride,
          static_cast<std::size_t>(count),
          size,
          false};
}

/// What `view` asks for along one axis, checked against the axis.
AxisSlice resolve(const Slice& request, const Shape& shape, std::size_t axis) {
  if (shape[axis].is_rows()) {
    throw ExpressionError(
        "the row axis cannot be sliced, since rows lie on several ranks; use all() for it, and "
        "where(mask, x, 0.0) to choose rows");
  }
  const Range& range = request.range();
  const std::size_t length = shape[axis].length;
  return request.kind() == Slice::Kind::index ? resolve_index(range.start, axis, length)
                                              : resolve_range(range, axis, length);
}

/// The slices with an ellipsis replaced by as many whole axes as the others leave of `ndim`.
std::vector<Slice> without_ellipsis(const std::vector<Slice>& slices, std::size_t ndim) {
  const auto count = [&](Slice::Kind kind) {
    return static_cast<std::size_t>(std::ranges::count(slices, kind, &Slice::kind));
  };
  const std::size_t num_ellipses = count(Slice::Kind::ellipsis);
  const std::size_t num_axes = slices.size() - num_ellipses - count(Slice::Kind::newaxis);
  if (num_ellipses > 1) throw ExpressionError(fmt::format("{} ellipses; give at most one", num_ellipses));
  if (num_axes > ndim) {
    throw ExpressionError(fmt::format("{} slices for {} axes; give at most one per axis", num_axes, ndim));
  }
  std::vector<Slice> result;
  for (const Slice& slice : slices) {
    if (slice.kind() == Slice::Kind::ellipsis) {
      result.insert(result.end(), ndim - num_axes, Slice(all()));
    } else {
      result.push_back(slice);
    }
  }
  return result;
}

}  // namespace

std::string AxisSlice::str() const {
  if (drop) return axis == 0 ? fmt::format("{}", start) : fmt::format("{}, axis={}", start, axis);
  const std::string stride = step == 1 ? "" : fmt::format(":{}", step);
  const auto stop = static_cast<std::ptrdiff_t>(start) + step * static_cast<std::ptrdiff_t>(count);
  return fmt::format("{}:{}{}, axis={}", start, stop, stride, axis);
}

void AxisSlice::identify(Fingerprint& hash) const {
  for (const std::size_t number : {axis, start, count, length}) hash.add(number);
  hash.add(step);
  hash.add(drop);
}

std::vector<std::size_t> AxisSlice::positions() const {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < count; ++i) result.push_back(start + i * static_cast<std::size_t>(step));
  return result;
}

std::optional<AxisSlice> elements_of(const Expr& part, const Expr& vector) {
  const std::size_t length = vector.shape()[0].length;
  if (part.node() == vector.node()) return AxisSlice{.count = length, .length = length};
  const auto* slice = as<SliceAxis>(part);
  if (slice == nullptr) return {};
  auto elements = elements_of(part.node()->operands[0], vector);
  if (!elements) return {};
  elements->start += slice->slice().start * static_cast<std::size_t>(elements->step);
  elements->step *= slice->slice().step;
  elements->count = slice->slice().count;
  return elements;
}

void SliceAxis::identify(Fingerprint& hash) const { slice_.identify(hash); }

Shape SliceAxis::infer_shape(std::span<const Expr> operands) const { return sliced_shape(operands[0].shape(), slice_); }

Expr SliceAxis::adjoint(const Expr& node, const Expr& cotangent, std::size_t) const {
  return make_node(std::make_shared<const PadAxis>(slice_), {cotangent}, node.node()->where);
}

Array SliceAxis::evaluate(const Node& node, std::span<const Array* const> operands, Evaluation&) const {
  const Array& full = *operands[0];
  Array part = Array::from_shape(local_shape(node.shape));
  for_each_run(slice_, full.shape(), [&](std::size_t in_full, std::size_t in_part, std::size_t length) {
    std::copy_n(full.data() + in_full, length, part.data() + in_part);
  });
  return part;
}

View SliceAxis::lower(const Node& node, Lowering& lowering) const {
  return slice_view(lowering.operand(0), node.operands[0].shape(), slice_);
}

std::string PadAxis::attributes() const { return fmt::format("{} of {}", slice_.str(), slice_.length); }

void PadAxis::identify(Fingerprint& hash) const { slice_.identify(hash); }

Shape PadAxis::infer_shape(std::span<const Expr> operands) const {
  Shape shape = operands[0].shape();
  if (slice_.drop) shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(slice_.axis), Extent(1));
  shape[slice_.axis] = Extent(slice_.length);
  return shape;
}

Expr PadAxis::adjoint(const Expr& node, const Expr& cotangent, std::size_t) const {
  return make_node(std::make_shared<const SliceAxis>(slice_), {cotangent}, node.node()->where);
}

Array PadAxis::evaluate(const Node& node, std::span<const Array* const> operands, Evaluation&) const {
  const Array& part = *operands[0];
  Array full = xt::zeros<double>(local_shape(node.shape));
  for_each_run(slice_, full.shape(), [&](std::size_t in_full, std::size_t in_part, std::size_t length) {
    std::copy_n(part.data() + in_part, length, full.data() + in_full);
  });
  return full;
}

View PadAxis::lower(const Node& node, Lowering& lowering) const {
  const View out = lowering.zeros(node.shape);
  lowering.emit(Kernel::copy, slice_view(out, node.shape, slice_), {lowering.operand(0)}, node.operands[0].shape());
  return out;
}

Expr slice_axis(const Expr& x, std::size_t axis, std::size_t start, std::size_t count, SourceLocation where) {
  const std::size_t length = x.shape()[axis].length;
  if (start == 0 && count == length) return x;
  return make_node(std::make_shared<const SliceAxis>(AxisSlice{axis, start, 1, count, length, false}), {x}, where);
}

Expr view(const Operand& x, const std::vector<Slice>& slices) {
  const Shape& shape = x.expr().shape();
  try {
    Shape widened = shape;  // with the new axes
    std::vector<std::pair<std::size_t, Slice>> parts;
    std::size_t next = 0;
    for (const Slice& slice : without_ellipsis(slices, shape.size())) {
      if (slice.kind() == Slice::Kind::newaxis) {
        widened.insert(widened.begin() + static_cast<std::ptrdiff_t>(next), Extent(1));
      } else if (slice.kind() == Slice::Kind::index || !(slice.range() == Range{})) {
        parts.emplace_back(next, slice);
      }
      ++next;
    }
    Expr result = reshaped(x, widened);
    for (std::size_t i = parts.size(); i-- > 0;) {  // from the last, so that dropped axes shift none to come
      const auto& [axis, slice] = parts[i];
      result = make_node(std::make_shared<const SliceAxis>(resolve(slice, widened, axis)), {result}, x.where());
    }
    return result;
  } catch (const ExpressionError& error) {
    throw ExpressionError(fmt::format("view of {}: {}", to_string(shape), error.what()), x.where());
  }
}

Expr Expr::operator[](const Index& index) const {
  if (empty())
    throw ExpressionError("operator[] on an empty Expr; give every Expr a value before it is used", index.where());
  if (ndim() == 0)
    throw ExpressionError("operator[]: a single number, shape [], has no elements to index", index.where());
  try {
    const AxisSlice slice = resolve(Slice(index.position()), shape(), 0);
    return make_node(std::make_shared<const SliceAxis>(slice), {*this}, index.where());
  } catch (const ExpressionError& error) {
    const bool is_parameters = is_input(*this, parameters_name);
    throw ExpressionError(
        fmt::format("operator[] on {} {}: {}{}", is_parameters ? "parameters" : "a value of shape", to_string(shape()),
                    error.what(), is_parameters ? "; there are as many as the guess has numbers" : ""),
        index.where());
  }
}

Expr diff(const Operand& x, std::size_t n, const Position& axis) {
  Expr result = x.expr();
  const auto fail = [&](const std::string& why) {
    throw ExpressionError(fmt::format("diff({}, {}, {}): {}", to_string(x.expr().shape()), n, axis.str(), why),
                          x.where());
  };
  if (result.ndim() == 0) fail("a value without axes has no differences");
  std::size_t position = 0;
  try {
    position = normalize_axis(axis, result.ndim());
  } catch (const ExpressionError& error) {
    fail(error.what());
  }
  if (result.shape()[position].is_rows()) fail("rows have no order, so there are no differences along the row axis");
  if (result.shape()[position].length < n) fail("the axis is shorter than the number of differences");
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t count = result.shape()[position].length - 1;
    result = subtract(Operand(slice_axis(result, position, 1, count, x.where()), x.where()),
                      Operand(slice_axis(result, position, 0, count, x.where()), x.where()));
  }
  return result;
}

}  // namespace allgrad
