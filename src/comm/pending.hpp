#pragma once

#include <mpi.h>

#include <memory>
#include <utility>

#include "comm/mpi_check.hpp"

namespace allgrad {

/// Something of MPI that goes on while a rank does other things.
class Pending {
 public:
  virtual ~Pending() = default;

  /// Goes on with it; whether it is complete.
  virtual bool is_done() = 0;

  /// What keeps the memory that MPI writes to until then.
  virtual std::shared_ptr<void> written() = 0;
};

class PendingRequest final : public Pending {
 public:
  /// `written` keeps what MPI writes to.
  PendingRequest(MPI_Request request, std::shared_ptr<void> written)
      : request_(request), written_(std::move(written)) {}

  bool is_done() override {
    int done = 0;
    check_mpi(MPI_Test(&request_, &done, MPI_STATUS_IGNORE), "MPI_Test");
    return done != 0;
  }
  std::shared_ptr<void> written() override { return written_; }

 private:
  MPI_Request request_;
  std::shared_ptr<void> written_;
};

}  // namespace allgrad
