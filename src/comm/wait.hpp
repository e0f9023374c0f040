#pragma once

#include <mpi.h>

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
/// Notes::Reason where the wait ends without what it waited for, which the other ranks that wait are told.
void wait(MPI_Request& request, const Awaited& awaited);

/// Throws ArgumentError where ALLGRAD_TIMEOUT is set to something else than a number of seconds above 0.
void check_time_limit();

}  // namespace allgrad
