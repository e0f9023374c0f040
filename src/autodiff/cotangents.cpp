#include "autodiff/cotangents.hpp"

#include <algorithm>
#include <map>
#include <queue>
#include <tuple>
#include <utility>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "dsl/broadcast_to.hpp"
#include "dsl/concatenate.hpp"
#include "dsl/constant.hpp"
#include "dsl/reshape.hpp"
#include "dsl/slice.hpp"
#include "graph/operator.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

void add_to_cotangent(Expr& sum, const Expr& term) { sum = sum.empty() ? term : sum + term; }

/// Along one axis of a value: what is to be added to the elements from `start` to `end`.
struct Part {
  std::size_t start = 0, end = 0;
  Expr elements = {};  ///< with the axis
  Expr padded = {};    ///< the same with zeros elsewhere, where there is such a node
};

/// The parts of each axis, sorted by their start; slices with a step between elements are left in `whole`.
std::map<std::size_t, std::vector<Part>> parts_of(const std::vector<Expr>& padded, Expr& whole) {
  std::map<std::tuple<std::size_t, std::size_t, std::size_t>, Part> parts;  // by axis, start, count
  for (const Expr& expr : padded) {
    const AxisSlice& slice = as<PadAxis>(expr)->slice();
    if (slice.step != 1) {
      add_to_cotangent(whole, expr);
      continue;
    }
    Shape shape = expr.shape();
    shape[slice.axis] = Extent(slice.count);
    const Expr elements = reshaped(expr.node()->operands[0], shape);
    Part& part = parts[{slice.axis, slice.start, slice.count}];
    part = part.elements.empty() ? Part{slice.start, slice.start + slice.count, elements, expr}
                                 : Part{part.start, part.end, part.elements + elements, {}};
  }
  std::map<std::size_t, std::vector<Part>> by_axis;
  for (auto& [key, part] : parts) by_axis[std::get<0>(key)].push_back(std::move(part));
  return by_axis;
}

/// As few layers as it takes for the parts of each not to overlap.
std::vector<std::vector<Part>> layers_of(std::vector<Part> parts) {
  using End = std::pair<std::size_t, std::size_t>;  // of the last part of a layer, and which layer
  std::priority_queue<End, std::vector<End>, std::greater<>> ends;
  std::vector<std::vector<Part>> layers;
  for (Part& part : parts) {
    std::size_t layer = layers.size();
    if (!ends.empty() && ends.top().first <= part.start) {
      layer = ends.top().second;
      ends.pop();
    } else {
      layers.emplace_back();
    }
    ends.emplace(part.end, layer);
    layers[layer].push_back(std::move(part));
  }
  return layers;
}

/// Parts that do not overlap as one value of the shape, with zeros between them.
Expr join_parts(const std::vector<Part>& parts, const Shape& shape, std::size_t axis, SourceLocation where) {
  if (parts.size() == 1 && !parts[0].padded.empty()) return parts[0].padded;
  std::vector<Expr> joined;
  std::size_t end = 0;
  const auto fill_up_to = [&](std::size_t start) {
    if (start == end) return;
    Shape gap = shape;
    gap[axis] = Extent(start - end);
    joined.push_back(zeros(gap));
  };
  for (const Part& part : parts) {
    fill_up_to(part.start);
    joined.push_back(part.elements);
    end = part.end;
  }
  fill_up_to(shape[axis].length);
  return concatenate_axis(std::move(joined), axis, where);
}

}  // namespace

void Cotangents::add(const Node* node, const Expr& contribution) {
  const NodeOrigin origin(node->where, true);
  Sum& sum = sums_[node];
  if (as<PadAxis>(contribution) != nullptr && contribution.shape() == node->shape) {
    sum.padded.push_back(contribution);
  } else {
    add_to_cotangent(sum.whole, contribution);
  }
}

Expr Cotangents::total(const Node* node) {
  const auto found = sums_.find(node);
  if (found == sums_.end()) return {};
  const NodeOrigin origin(node->where, true);
  Sum& sum = found->second;
  for (auto& [axis, parts] : parts_of(sum.padded, sum.whole)) {
    for (const std::vector<Part>& layer : layers_of(std::move(parts))) {
      add_to_cotangent(sum.whole, join_parts(layer, node->shape, axis, node->where));
    }
  }
  sum.padded.clear();
  return sum.whole;
}

}  // namespace allgrad
