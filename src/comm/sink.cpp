#include "allgrad/sink.hpp"

#include <fmt/format.h>
#include <mpi.h>

#include <cstdio>
#include <utility>

#include "comm/emit.hpp"
#include "comm/mpi_check.hpp"

namespace allgrad {

namespace {

bool is_first_of_all_ranks() {
  if (!mpi_is_running()) return true;
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank == 0;
}

std::string_view prefix(Severity severity) {
  switch (severity) {
    case Severity::progress:
      return "";
    case Severity::warning:
      return "allgrad: warning: ";
    case Severity::error:
      return "allgrad: error: ";
  }
  return "";
}

void write_to_standard_error(Severity severity, std::string_view text) {
  if (severity != Severity::error && !is_first_of_all_ranks()) return;
  fmt::print(stderr, "{}{}\n", prefix(severity), text);
}

Sink& current_sink() {
  static Sink sink = write_to_standard_error;
  return sink;
}

}  // namespace

Sink set_sink(Sink sink) {
  if (!sink) sink = write_to_standard_error;
  return std::exchange(current_sink(), std::move(sink));
}

void emit(Severity severity, std::string_view text) { current_sink()(severity, text); }

}  // namespace allgrad
