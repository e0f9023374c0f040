#include "comm/turn.hpp"

#include <mpi.h>

#include "allgrad/error.hpp"
#include "comm/mpi_check.hpp"

namespace allgrad {

namespace {

bool mpi_serves_threads() {
  static const bool serves = [] {
    int level = MPI_THREAD_SINGLE;
    check_mpi(MPI_Query_thread(&level), "MPI_Query_thread");
    return level == MPI_THREAD_MULTIPLE;
  }();
  return serves;
}

}  // namespace

Turn& Turn::of_process() {
  static Turn turn;
  return turn;
}

bool Turn::try_take() {
  const std::thread::id self = std::this_thread::get_id();
  std::thread::id owner{};
  if (!owner_.compare_exchange_strong(owner, self) && owner != self) return false;
  ++depth_;
  return true;
}

void Turn::take(SourceLocation where) {
  if (!try_take()) {
    throw ArgumentError(
        "expected one thread at a time to use a communicator, got two: their messages would mix. Give each thread a "
        "communicator of its own, made with Communicator(MPI_COMM_WORLD) in the same order on all ranks, and models on "
        "it",
        where);
  }
  if (mpi_serves_threads() || this == &of_process() || of_process().try_take()) return;
  give_back();
  throw ArgumentError(
      "expected one thread at a time to use communicators, got two, which MPI does not serve here: initialize it by "
      "MPI_Init_thread with MPI_THREAD_MULTIPLE before allgrad::run",
      where);
}

void Turn::give_back() {
  const bool both = !mpi_serves_threads() && this != &of_process() && of_process().owner_ == std::this_thread::get_id();
  if (both) of_process().give_back();
  if (--depth_ == 0) owner_ = std::thread::id{};
}

}  // namespace allgrad
