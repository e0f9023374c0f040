#pragma once

#include <functional>
#include <vector>

#include "execute/batch_program.hpp"

namespace allgrad {

/// True where a processor that looks a few hundred instructions ahead finds little that it could do while it waits: of
/// the values in the longest chain, each waits for the one before.
bool waits_much(const BatchProgram& program);

/// The steps for two batches, one beside the other, of which each waits for itself alone. Constants, and the operands
/// that `is_same` says are one number for all rows, are there once.
std::vector<BatchProgram::Step> two_batches(const BatchProgram& program,
                                            const std::function<bool(std::size_t)>& is_same);

}  // namespace allgrad
