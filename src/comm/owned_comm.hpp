#pragma once

#include <mpi.h>

namespace allgrad {

/// A duplicate of an MPI communicator whose calls return their errors. It is freed with its owner, or by MPI_Finalize
/// where the owner lives longer.
class OwnedComm {
 public:
  /// Collective over `original`.
  explicit OwnedComm(MPI_Comm original);
  ~OwnedComm();
  OwnedComm(const OwnedComm&) = delete;
  OwnedComm& operator=(const OwnedComm&) = delete;

  MPI_Comm get() const { return comm_; }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
};

}  // namespace allgrad
