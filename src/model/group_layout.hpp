#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "allgrad/communicator.hpp"
#include "allgrad/source_location.hpp"

namespace allgrad {

/// A model of a group: its ranks, a number that tells it from other models there, and what the user calls it.
struct GroupMember {
  Communicator comm;
  std::uint64_t number;
  std::string name;
  double weight;

  /// Tells it from all other models.
  std::uint64_t id() const;
};

/// Checks that models, each rank's own in its order, can be evaluated one after the other without a rank waiting for
/// another in vain. Collective over `main`; throws ArgumentError on every rank.
void check_group_layout(const std::vector<GroupMember>& models, const Communicator& main, SourceLocation where);

}  // namespace allgrad
