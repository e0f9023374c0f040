#include "comm/turn.hpp"

#include <mpi.h>

#include "allgrad/error.hpp"
#include "comm/mpi_check.hpp"

namespace allgrad {

bool mpi_serves_threads() {
  static const bool serves = [] {
    int level = MPI_THREAD_SINGLE;
    check_mpi(MPI_Query_thread(&level), "MPI_Query_thread");
    return level == MPI_THREAD_MULTIPLE;
  }();
  return serves;
}

Turn::Turn() { mpi_serves_threads(); }  // asked while MPI is running: the turn may be taken after MPI_Finalize

Turn& Turn::of_process() {
  static Turn turn;
  return turn;
}

// In any order: no other thread writes this one's id.
bool Turn::is_own() const { return owner_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

bool Turn::try_take() {
  std::thread::id nobody{};
  if (!is_own() && !owner_.compare_exchange_strong(nobody, std::this_thread::get_id(), std::memory_order_acquire)) {
    return false;
  }
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
  const bool both = !mpi_serves_threads() && this != &of_process() && of_process().is_own();
  if (both) of_process().give_back();
  if (--depth_ == 0) owner_.store(std::thread::id{}, std::memory_order_release);
}

}  // namespace allgrad
