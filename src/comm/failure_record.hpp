#pragma once

#include <mpi.h>

#include <array>
#include <cstdint>
#include <exception>
#include <limits>
#include <optional>

#include "comm/stop_request.hpp"

namespace allgrad {

/// What ranks tell each other after some have failed or want to stop. It has a fixed size and needs no memory of its
/// own, so that a rank that ran out of memory can still say so.
struct FailureRecord {
  int count = 0;                               // ranks that have something to say
  int urgency = -1;                            // the highest of all ranks; the records with lower ones are dropped
  int rank = std::numeric_limits<int>::max();  // the lowest with that urgency
  std::uint64_t next_number = 0;               // the highest of all ranks
  std::array<char, 3072> text{};               // what it says, cut at the end where it is longer
};

/// The record of a rank that has failed, or of one that has not.
FailureRecord failure_record(int rank, const std::exception_ptr& cause);

/// The record of a rank that wants to stop, or of one that does not.
FailureRecord stop_record(const std::optional<StopRequest>& wish);
StopRequest stop_request(const FailureRecord& record);

/// Merges the records of two sets of ranks; an MPI_User_function.
extern "C" void allgrad_merge_failure_records(void* in, void* in_out, int* count, MPI_Datatype* type);

}  // namespace allgrad
