#pragma once

#include <mpi.h>

#include <array>
#include <exception>
#include <limits>
#include <string_view>

namespace allgrad {

/// What ranks tell each other after a failure. It has a fixed size and needs no memory of its own, so that a rank that
/// ran out of memory can still say so.
struct FailureRecord {
  int failed = 0;                              // number of ranks that failed
  int rank = std::numeric_limits<int>::max();  // the lowest of them
  std::array<char, 3072> text{};               // what its exception says, cut at the end where it is longer
};

/// The record of a rank that failed.
FailureRecord make_failure_record(int rank, std::string_view text);

/// Merges the records of all ranks, those that have not failed included; collective, one MPI_Allreduce.
void merge_failure_records(FailureRecord& record, MPI_Comm comm);

}  // namespace allgrad
