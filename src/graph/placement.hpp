#pragma once

#include <span>
#include <string_view>

#include "graph/operator.hpp"

namespace allgrad {

/// "replicated", "per_row", "partial" or "per_rank".
std::string_view to_string(Placement placement);

/// Placement of f(operands) with the given linearity and shape. A partial operand that f is not linear in counts as
/// its total; the pass that inserts allreduces makes it so.
Placement combine_placements(Linearity linearity, std::span<const Expr> operands, const Shape& shape);

/// True where the node means the total of its partial operand `k`, since shares of it cannot pass through. None passes
/// where another operand is per row, whatever the placement that the operator infers.
bool needs_total(const Node& node, std::size_t k);

/// True where that is so of all of its partial operands, of which it has some; it is so of all or of none.
bool needs_totals(const Node& node);

}  // namespace allgrad
