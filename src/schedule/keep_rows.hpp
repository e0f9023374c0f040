#pragma once

#include <vector>

#include "graph/traversal.hpp"

namespace allgrad {

/// Puts what rows of other loops look into, or add to, in memory for all rows of the rank.
std::vector<Expr> keep_rows(const std::vector<Expr>& outputs);

/// The same, noting what stands for the nodes.
void keep_rows(const std::vector<Expr>& outputs, Replacements& replacements);

}  // namespace allgrad
