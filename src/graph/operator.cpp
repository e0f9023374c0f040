#include "graph/operator.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "graph/placement.hpp"
#include "graph/shape.hpp"

namespace allgrad {

std::uint64_t Operator::fingerprint() const {
  Fingerprint hash;
  hash.add(name());
  identify(hash);
  return hash.value();
}

Expr Operator::adjoint(const Expr& node, const Expr&, std::size_t) const {
  throw InternalError(fmt::format("the operator {} ({}) has no adjoint", name(), node.node()->where.str()));
}

Expr Operator::tangent(const Expr& node, std::span<const Expr>) const {
  throw InternalError(fmt::format("the operator {} ({}) has no tangent", name(), node.node()->where.str()));
}

bool Operator::is_finite(std::span<const Expr> operands) const {
  return std::ranges::all_of(operands, [](const Expr& operand) { return operand.node()->finite; });
}

void Operator::call(const Node&, const CallArguments&) const {
  throw InternalError(fmt::format("the operator {} is called, but is no function", name()));
}

Placement Operator::infer_placement(std::span<const Expr> operands, const Shape& shape) const {
  return combine_placements(linearity(), operands, shape);
}

std::vector<std::size_t> local_shape(const Shape& shape) {
  std::vector<std::size_t> lengths;
  lengths.reserve(shape.size());
  for (const Extent& extent : shape) lengths.push_back(extent.is_rows() ? extent.rows->local_rows : extent.length);
  return lengths;
}

}  // namespace allgrad
