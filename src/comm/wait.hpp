#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "allgrad/operation.hpp"
#include "allgrad/source_location.hpp"
#include "comm/notes.hpp"
#include "comm/pending.hpp"

namespace allgrad {

/// A collective that this rank takes part in.
struct Awaited {
  const Operation& operation;
  CollectiveId id;
  std::span<const int> ranks;         ///< its ranks in MPI_COMM_WORLD
  bool as_failed = false;             ///< whether this one takes part as failed
  MPI_Comm original = MPI_COMM_NULL;  ///< of which a duplicate is made, not to be used again where it is given up
};

/// Returns when what a collective waits for is done. After a second it looks at signals, if an optimizer has them
/// noted, and for ranks that wait in another collective for this one; it looks all the time for ranks that have left
/// and, where there is a time limit, at the clock. Throws RankError where the collective is given up, DivergenceError
/// where that is since ranks do not do the same, which the other ranks that wait are told; what MPI writes to is kept
/// for ever then.
void wait(Pending& pending, const Awaited& awaited);

/// After so long a wait says once who is missing: a minute, for which tests do not wait.
extern std::chrono::milliseconds time_until_warning;

/// Whether any collective of this process was given up.
bool any_collective_given_up();

/// The seconds that ALLGRAD_TIMEOUT sets; nothing where it is not set, or cannot be used: a wait must not end by that.
std::optional<double> time_limit();

/// "rank 1 of 3, which has not come to it", for texts of what was waited for.
std::string describe_missing(const std::vector<std::size_t>& missing, std::size_t num_ranks);

/// Throws ArgumentError where ALLGRAD_TIMEOUT is set to something else than a number of seconds above 0.
void check_time_limit();

}  // namespace allgrad
