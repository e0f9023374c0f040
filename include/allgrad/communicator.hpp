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

namespace allgrad {

/// The buffer of one sum over ranks: `size` numbers of payload, and behind them the status and the fingerprint that
/// every message carries. Made once, reused for every message of that size.
class Message {
 public:
  /// Throws ArgumentError where `size` is more than MPI can count.
  explicit Message(std::size_t size);

  std::span<double> payload() { return {buffer_.data(), buffer_.size() - trailer}; }
  std::span<const double> payload() const { return {buffer_.data(), buffer_.size() - trailer}; }

 private:
  friend class Communicator;
  static constexpr std::size_t trailer = 3;  // ranks that failed, sum of fingerprints, sum of their squares
  std::vector<double> buffer_;
};

/// A group of MPI ranks, and the one layer through which all of allgrad's messages go. A value handle: copies share the
/// same duplicated MPI communicator, so that our messages never meet the user's. The duplicate is freed with the last
/// copy, or by MPI_Finalize where a copy lives longer.
///
/// Every collective carries a status. A rank that has failed (`fail`, or an exception inside `guarded`) takes part in
/// its next collective as failed; the cause then travels in one more collective and is raised on every rank: as the
/// rank's own exception where all ranks failed, as RankError where only some did. After that the communicator works
/// as before. An error of MPI itself is thrown as Error with MPI's text.
class Communicator {
 public:
  /// A duplicate of MPI_COMM_WORLD, the same at every call; the first call is collective. Throws Error where MPI is
  /// not initialized, or finalized already.
  static Communicator world();

  /// A duplicate of the user's communicator; collective over it. Throws ArgumentError for MPI_COMM_NULL and for an
  /// inter-communicator.
  explicit Communicator(MPI_Comm comm);

  int rank() const;
  int size() const;
  bool is_root() const { return rank() == 0; }

  /// The duplicate, for calls of your own; it belongs to the Communicator.
  MPI_Comm handle() const;

  /// True where both are handles to the same duplicate.
  bool operator==(const Communicator& other) const;

  /// Lets this rank take part in its next collective as failed with `cause`. Where it is called again before that, the
  /// first cause is kept, but a mere request to stop a run gives way.
  void fail(std::exception_ptr cause) const;

  /// Replaces the payload by its sum over all ranks. `fingerprint` is a hash of what must be the same everywhere;
  /// throws DivergenceError on every rank where it is not (a difference is missed with a chance of one in a million to
  /// 64 ranks, one in 65,536 to 1,024). Allocates nothing unless it throws.
  void allreduce(Message& message, std::uint64_t fingerprint) const;

  /// Adds `fingerprint` to that of this rank's next allreduce or synchronize, which may be someone else's.
  void compare_too(std::uint64_t fingerprint) const;

  /// A collective of nothing but status and fingerprint: returns on every rank, or throws on every rank.
  void synchronize(std::uint64_t fingerprint = 0) const;

  /// Runs `body` on every rank, then synchronizes: where it throws on any rank, every rank throws. Returns what `body`
  /// returns, by value. `body` must not communicate over this communicator.
  template <class F>
  auto guarded(F&& body) const {
    if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
      try {
        std::forward<F>(body)();
      } catch (...) {
        fail(std::current_exception());
      }
      synchronize();
    } else {
      std::optional<std::remove_cvref_t<std::invoke_result_t<F>>> result;
      try {
        result.emplace(std::forward<F>(body)());
      } catch (...) {
        fail(std::current_exception());
      }
      synchronize();
      return *std::move(result);
    }
  }

  /// One number from each rank [size()], in the order of the ranks, on every rank.
  std::vector<std::uint64_t> allgather(std::uint64_t value) const;

  /// The text that rank `root` has, on every rank.
  std::string broadcast(const std::string& text, int root) const;

  /// The smallest index at which the values are not the same on all ranks; values.size() where they all are. The span
  /// has the same length on every rank: where that is in doubt, compare the lengths first.
  std::size_t first_difference(std::span<const std::uint64_t> values) const;

  /// A number that tells this duplicate from all others, the same on all of its ranks.
  std::uint64_t id() const;

  /// 0, 1, 2, ... at each call on this duplicate: numbers things that all its ranks make in the same order.
  std::uint64_t next_number() const;

  /// How many collectives have been done over this duplicate so far: one for each call of allreduce, synchronize,
  /// guarded, allgather, broadcast and first_difference, and one for the exchange of causes after a failure.
  std::size_t collectives() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace allgrad
