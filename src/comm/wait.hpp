#pragma once

#include <mpi.h>

#include <memory>
#include <span>

#include "allgrad/operation.hpp"
#include "allgrad/source_location.hpp"
#include "comm/notes.hpp"

namespace allgrad {

/// A collective that this rank takes part in.
struct Awaited {
  const Operation& operation;
  CollectiveId id;
  std::span<const int> ranks;  ///< its ranks in MPI_COMM_WORLD
};

/// Returns when the request of a collective is complete. After a second it looks at signals, if an optimizer has them
/// noted, and it looks all the time for ranks that have left and, where there is a time limit, at the clock. Throws
/// RankError where the collective is given up, which the other ranks that wait are told. `written` is what MPI writes
/// to: it is kept for ever then.
void wait(MPI_Request& request, const Awaited& awaited, std::shared_ptr<void> written);

/// Whether any collective of this process was given up.
bool any_collective_given_up();

/// Throws ArgumentError where ALLGRAD_TIMEOUT is set to something else than a number of seconds above 0.
void check_time_limit();

}  // namespace allgrad
