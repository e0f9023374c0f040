#pragma once

#include <span>
#include <string>

#include "execute/bound_program.hpp"
#include "graph/text.hpp"

namespace allgrad {

/// A page for the user: outputs, messages, loops over rows with their instructions, tiles and memory, what each takes,
/// and what is computed in each row though nothing changes it. `seconds` of each step; no program for the reference
/// executor.
std::string explanation(const NamedOutputs& graph, const BoundProgram* program, std::span<const double> seconds,
                        const Communicator& comm);

}  // namespace allgrad
