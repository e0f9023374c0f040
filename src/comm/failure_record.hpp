#pragma once

#include <mpi.h>

#include <array>
#include <exception>
#include <limits>

namespace allgrad {

/// How much a rank's cause matters: a failure goes before all wishes to stop, and these stand as in StopReason.
enum class Urgency : int { none, wish, signal, exception, failure };

/// A StopRequest's own reason, `failure` for any other exception.
Urgency urgency_of(const std::exception_ptr& cause);

/// What ranks tell each other after a failure. It has a fixed size and needs no memory of its own, so that a rank that
/// ran out of memory can still say so.
struct FailureRecord {
  int failed = 0;                              // number of ranks that failed, those that ask to stop not counted
  Urgency urgency = Urgency::none;             // the highest of all ranks
  int rank = std::numeric_limits<int>::max();  // the lowest with that urgency
  std::array<char, 3072> text{};               // what its exception says, cut at the end where it is longer
};

/// The record of a rank that has a cause; a StopRequest keeps the rank that made it.
FailureRecord make_failure_record(int rank, const std::exception_ptr& cause);

/// Merges the records of all ranks, those that have no cause included; collective, one MPI_Allreduce.
void merge_failure_records(FailureRecord& record, MPI_Comm comm);

}  // namespace allgrad
