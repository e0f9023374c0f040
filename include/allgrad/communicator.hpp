#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "allgrad/operation.hpp"

namespace allgrad {

/// The `size` numbers of one sum over ranks, its payload. Made once, reused for every message of that size.
class Message {
 public:
  /// Throws ArgumentError where `size` is more than MPI can count.
  explicit Message(std::size_t size);

  std::span<double> payload() { return *payload_; }
  std::span<const double> payload() const { return *payload_; }

 private:
  friend class Communicator;
  std::shared_ptr<std::vector<double>> payload_;  // MPI may still write to it after a collective was given up
};

/// A group of MPI ranks, and the one layer through which all of allgrad's messages go. A value handle: copies share the
/// same duplicated MPI communicator, so that our messages never meet the user's. The duplicate is freed with the last
/// copy, or by MPI_Finalize where a copy lives longer.
///
/// Every collective begins with an envelope, a sum of a few doubles in which all operations look the same, and which
/// the beginning of a payload follows. So ranks that meet in different ones notice it, all of them, before any number
/// is used: each throws a DivergenceError that says what both do, and on which lines. A rank that has failed (`fail`,
/// or an exception inside `guarded` or `attempt`) takes part in an envelope as failed, whatever the others are at; the
/// cause is then raised on every rank: as the rank's own exception where all ranks failed, as RankError where only some
/// did. After either the communicator works as before.
///
/// A rank that waits for one that has left the body of `allgrad::run` throws a RankError that names it. Ranks that wait
/// for each other on two communicators throw a DivergenceError with both calls after some two seconds, or a RankError
/// where one of them has failed; not where MPI serves several threads, of which another one may come. Where the
/// environment variable ALLGRAD_TIMEOUT gives a number of seconds, a rank that has waited so long throws a RankError
/// that names the ranks that are missing; without it, a warning says so once after 60 seconds. A collective that was
/// given up in such a way leaves the communicator broken: every later use throws an Error that says why.
///
/// One thread at a time uses a communicator; two threads may use two of them where MPI was initialized with
/// MPI_THREAD_MULTIPLE, which `allgrad::run` leaves to the program, since it makes messages slower. Otherwise an
/// ArgumentError says so. An error of MPI itself is thrown as
/// Error with MPI's text.
class Communicator {
 public:
  struct State;  ///< private to the library

  /// A duplicate of MPI_COMM_WORLD, the same at every call; the first call is collective. Throws Error where MPI is
  /// not initialized, or finalized already.
  static Communicator world();

  /// A duplicate of the user's communicator; collective over it. Throws ArgumentError for MPI_COMM_NULL and for an
  /// inter-communicator, and where ALLGRAD_TIMEOUT is no number of seconds above 0; and Error where MPI has no
  /// communicator left, or where a former one of `comm` was given up, since other ranks may still wait in it.
  explicit Communicator(MPI_Comm comm, SourceLocation where = SourceLocation::current());

  int rank() const;
  int size() const;
  bool is_root() const { return rank() == 0; }

  /// The duplicate, for calls of your own; it belongs to the Communicator.
  MPI_Comm handle() const;

  /// True where both are handles to the same duplicate.
  bool operator==(const Communicator& other) const;

  /// Takes part in the collective that the other ranks are at, or come to next, as failed with `cause`, which is raised
  /// on every rank. Where the communicator is broken, this rank alone throws `cause`.
  [[noreturn]] void fail(std::exception_ptr cause) const;

  /// Replaces the payload by its sum over all ranks. Allocates nothing unless it throws.
  void allreduce(Message& message, const Operation& operation = Operation("Communicator::allreduce")) const;

  /// A collective without payload: returns on every rank, or throws on every rank.
  void synchronize(const Operation& operation = Operation("Communicator::synchronize")) const;

  /// Runs `body` on this rank; where it throws, all ranks throw in the collective that follows on the others. Returns
  /// what `body` returns.
  template <class F>
  decltype(auto) attempt(F&& body) const {
    try {
      return std::forward<F>(body)();
    } catch (...) {
      fail(std::current_exception());
    }
  }

  /// Runs `body` on every rank, then synchronizes: where it throws on any rank, every rank throws. Returns what `body`
  /// returns, by value.
  template <class F>
  auto guarded(F&& body, const Operation& operation = Operation("Communicator::guarded")) const {
    if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
      attempt(std::forward<F>(body));
      synchronize(operation);
    } else {
      std::remove_cvref_t<std::invoke_result_t<F>> result = attempt(std::forward<F>(body));
      synchronize(operation);
      return result;
    }
  }

  /// One number from each rank [size()], in the order of the ranks, on every rank.
  std::vector<std::uint64_t> allgather(std::uint64_t value,
                                       const Operation& operation = Operation("Communicator::allgather")) const;

  /// The text that rank `root` has, on every rank.
  std::string broadcast(const std::string& text, int root,
                        const Operation& operation = Operation("Communicator::broadcast")) const;

  /// The smallest index at which the values are not the same on all ranks; values.size() where they all are. Throws
  /// DivergenceError where ranks have other numbers of values.
  std::size_t first_difference(std::span<const std::uint64_t> values,
                               const Operation& operation = Operation("Communicator::first_difference")) const;

  /// A number that tells this duplicate from all others, the same on all of its ranks.
  std::uint64_t id() const;

  /// 0, 1, 2, ... at each call on this duplicate: numbers things that all its ranks make in the same order.
  std::uint64_t next_number() const;

  /// How many messages have been summed over this duplicate so far: one for each allreduce whose payload fits the
  /// envelope and each synchronize, two for longer payloads, allgather, broadcast and first_difference, and one for
  /// each exchange of causes after a failure.
  std::size_t collectives() const;

 private:
  friend struct CommAccess;
  std::shared_ptr<State> state_;
};

}  // namespace allgrad
