#pragma once

#include <vector>

#include "allgrad/communicator.hpp"
#include "allgrad/source_location.hpp"

namespace allgrad {

/// Checks that models on these communicators, each rank's own in its order, can be evaluated one after the other
/// without a rank waiting for another in vain. Collective over `main`; throws ArgumentError on every rank.
void check_group_layout(const std::vector<Communicator>& models, const Communicator& main, SourceLocation where);

}  // namespace allgrad
