#pragma once

#include <mpi.h>

#include <string_view>

namespace allgrad {

/// Between MPI_Init and MPI_Finalize, where MPI may be called.
bool mpi_is_running();

/// Throws Error where MPI is not running.
void require_mpi();

/// Throws Error with MPI's own text where `code`, which `call` returned, is not MPI_SUCCESS.
void check_mpi(int code, std::string_view call);

}  // namespace allgrad
