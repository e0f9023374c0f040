#pragma once

#include <mpi.h>

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "allgrad/operation.hpp"

namespace allgrad {

/// What ranks tell each other when they have met in different operations: those of rank 0 and of the lowest rank that
/// is at another one. Of a fixed size, as a FailureRecord.
struct DivergenceRecord {
  struct Side {
    int rank = std::numeric_limits<int>::max();  // of none
    int num_parts = 0;
    std::uint64_t fingerprint = 0;
    std::array<std::uint64_t, Operation::max_parts> values{};
    std::array<std::array<char, 48>, Operation::max_parts> names{};
    std::array<char, 64> what{};
    std::array<char, 700> text{};  // the call, its line, and details
  };
  Side first, second;
  std::uint64_t next_number = 0;  // the highest of all ranks
};

/// The record of a rank that is at `operation`.
DivergenceRecord divergence_record(int rank, const Operation& operation);

/// Merges the records of two sets of ranks; an MPI_User_function.
extern "C" void allgrad_merge_divergence_records(void* in, void* in_out, int* count, MPI_Datatype* type);

/// What two ranks do, in which calls, and what to do about it; `more` comes after the second.
std::string describe_divergence(int first, std::string_view first_call, int second, std::string_view second_call,
                                std::string_view more);

/// What both do, in what they differ, and what to do about it.
std::string describe(const DivergenceRecord& record);

}  // namespace allgrad
