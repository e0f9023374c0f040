#pragma once

#include <mpi.h>

#include <functional>
#include <memory>
#include <vector>

#include "allgrad/operation.hpp"

namespace allgrad {

struct Awaited;
struct CollectiveId;

/// A duplicate of an MPI communicator whose calls return their errors. It is freed with its owner, or by MPI_Finalize
/// where the owner lives longer.
class OwnedComm {
 public:
  /// Makes room for a duplicate.
  OwnedComm();
  ~OwnedComm();
  OwnedComm(const OwnedComm&) = delete;
  OwnedComm& operator=(const OwnedComm&) = delete;

  /// Collective over `original`, whose ranks are waited for as in any collective. Allocates nothing unless it throws.
  void duplicate(MPI_Comm original, const Awaited& awaited);

  /// MPI_COMM_NULL before there is one, and after MPI_Finalize.
  MPI_Comm get() const { return comm_; }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
  std::shared_ptr<MPI_Comm> duplicate_;  // what MPI writes to
};

/// What comes before a duplicate of a user's communicator: `prepare` makes room for it, and sends no message. Where it
/// throws on any rank, every rank throws. Returns what names the waits for the duplicate. Throws Error where such a
/// wait was given up before on `original`. Collective over it.
CollectiveId prepare_duplicate(MPI_Comm original, const Operation& operation, const std::function<void()>& prepare);

/// Lets prepare_duplicate refuse `original` from now on: others may still come to what was given up there.
void mark_as_given_up(MPI_Comm original);

/// The ranks of a communicator as ranks of MPI_COMM_WORLD; MPI_UNDEFINED for those that it does not have.
std::vector<int> ranks_in_world(MPI_Comm comm);

}  // namespace allgrad
