#include "comm/mpi_check.hpp"

#include <fmt/format.h>

#include <array>

#include "allgrad/error.hpp"

namespace allgrad {

bool mpi_is_running() {
  int initialized = 0;
  int finalized = 0;
  MPI_Initialized(&initialized);
  MPI_Finalized(&finalized);
  return initialized != 0 && finalized == 0;
}

void require_mpi() {
  if (mpi_is_running()) return;
  throw Error(
      "allgrad needs MPI to be running, but it is not initialized yet or finalized already. "
      "Run your program inside allgrad::run, or between MPI_Init and MPI_Finalize.");
}

void check_mpi(int code, std::string_view call) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  throw Error(fmt::format("{} failed on rank {} of MPI_COMM_WORLD: {}", call, rank, text.data()));
}

}  // namespace allgrad
