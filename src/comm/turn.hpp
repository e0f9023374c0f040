#pragma once

#include <atomic>
#include <thread>

#include "allgrad/source_location.hpp"

namespace allgrad {

/// Whether MPI serves several threads at once (MPI_THREAD_MULTIPLE).
bool mpi_serves_threads();

/// Whose turn it is among the threads that use one communicator. Where MPI does not serve several threads at once, all
/// communicators of the process are used in turn.
class Turn {
 public:
  Turn();

  /// Takes it for this thread, once more where it has it. Throws ArgumentError where another thread has it.
  void take(SourceLocation where);
  void give_back();

 private:
  bool is_own() const;  // of this thread
  bool try_take();

  std::atomic<std::thread::id> owner_{};
  int depth_ = 0;  // of the owner

  static Turn& of_process();
};

/// Takes a turn for as long as it lives.
class TakenTurn {
 public:
  TakenTurn(Turn& turn, SourceLocation where) : turn_(turn) { turn_.take(where); }
  ~TakenTurn() { turn_.give_back(); }
  TakenTurn(const TakenTurn&) = delete;
  TakenTurn& operator=(const TakenTurn&) = delete;

 private:
  Turn& turn_;
};

}  // namespace allgrad
