#include "graph/placement.hpp"

#include <algorithm>

#include "graph/shape.hpp"

namespace allgrad {

std::string_view to_string(Placement placement) {
  switch (placement) {
    case Placement::replicated: return "replicated";
    case Placement::per_row: return "per_row";
    case Placement::partial: return "partial";
    case Placement::per_rank: return "per_rank";
  }
  return "unknown";
}

namespace {

bool is_partial(const Expr& expr) { return expr.placement() == Placement::partial; }

bool is_partial_or_zero(const Expr& expr) { return is_partial(expr) || expr.node()->op->is_zero(); }

bool passes_shares(Linearity linearity, std::span<const Expr> operands) {
  // Each rank would multiply its rows by its share of what all rows are to be multiplied by.
  if (std::ranges::any_of(operands, [](const Expr& e) { return is_per_row(e); })) return false;
  switch (linearity) {
    case Linearity::none: return false;
    case Linearity::jointly: return std::ranges::all_of(operands, is_partial_or_zero);
    case Linearity::each: return std::ranges::count_if(operands, is_partial) == 1;
    case Linearity::first: return is_partial(operands[0]) && std::ranges::none_of(operands.subspan(1), is_partial);
    case Linearity::tail:
      return !is_partial(operands[0]) && std::ranges::all_of(operands.subspan(1), is_partial_or_zero);
  }
  return false;
}

}  // namespace

Placement combine_placements(Linearity linearity, std::span<const Expr> operands, const Shape& shape) {
  if (row_axis(shape)) return Placement::per_row;
  const auto placed = [](Placement placement) {
    return [placement](const Expr& e) { return e.placement() == placement; };
  };
  if (std::ranges::any_of(operands, placed(Placement::per_rank))) return Placement::per_rank;
  if (std::ranges::none_of(operands, is_partial)) return Placement::replicated;
  return passes_shares(linearity, operands) ? Placement::partial : Placement::replicated;
}

bool needs_total(const Node& node, std::size_t k) {
  return is_partial(node.operands[k]) &&
         combine_placements(node.op->linearity(), node.operands, node.shape) != Placement::partial;
}

bool needs_totals(const Node& node) {
  const auto first = std::ranges::find_if(node.operands, is_partial);
  return first != node.operands.end() && needs_total(node, static_cast<std::size_t>(first - node.operands.begin()));
}

}  // namespace allgrad
