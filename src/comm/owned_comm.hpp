#pragma once

#include <mpi.h>

#include <vector>

#include "allgrad/operation.hpp"

namespace allgrad {

/// A duplicate of an MPI communicator whose calls return their errors. It is freed with its owner, or by MPI_Finalize
/// where the owner lives longer.
class OwnedComm {
 public:
  /// Collective over `original`: the others are waited for as in any collective, named by `operation`.
  OwnedComm(MPI_Comm original, const Operation& operation);
  ~OwnedComm();
  OwnedComm(const OwnedComm&) = delete;
  OwnedComm& operator=(const OwnedComm&) = delete;

  /// MPI_COMM_NULL after MPI_Finalize.
  MPI_Comm get() const { return comm_; }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
};

/// The ranks of a communicator as ranks of MPI_COMM_WORLD; MPI_UNDEFINED for those that it does not have.
std::vector<int> ranks_in_world(MPI_Comm comm);

}  // namespace allgrad
