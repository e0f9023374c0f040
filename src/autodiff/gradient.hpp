#pragma once

#include <functional>
#include <vector>

#include "allgrad/expr.hpp"

namespace allgrad {

/// Told of what a node contributes to the cotangent of its operand `k`, in backward order: before it is summed over the
/// axes along which the operand was stretched.
using OnContribution = std::function<void(const Expr& node, std::size_t k, const Expr& contribution)>;

/// The gradient of a replicated scalar with respect to a replicated input, as further nodes of the graph (reverse
/// mode). It is partial: the cotangent of a replicated value is the sum of what each rank contributes, and the seed is
/// an equal share of 1. Allreduces stand in the graph already; the adjoint of each is an allreduce.
///
/// `frozen` has an entry for each element of the input, or none: where it is true, the gradient is not asked for, may
/// be 0, and what leads to it alone is not built.
Expr gradient(const Expr& output, const Expr& input, const std::vector<bool>& frozen = {},
              const OnContribution& on_contribution = {});

}  // namespace allgrad
