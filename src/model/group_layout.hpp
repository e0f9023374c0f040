#pragma once

#include <vector>

#include "allgrad/communicator.hpp"
#include "allgrad/source_location.hpp"

namespace allgrad {

/// A model of a group: its ranks, and a number that tells it from other models there.
struct GroupMember {
  Communicator comm;
  std::uint64_t number;
};

/// Checks that models, each rank's own in its order, can be evaluated one after the other without a rank waiting for
/// another in vain. Collective over `main`; throws ArgumentError on every rank.
void check_group_layout(const std::vector<GroupMember>& models, const Communicator& main, SourceLocation where);

}  // namespace allgrad
