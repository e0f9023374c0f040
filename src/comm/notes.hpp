#pragma once

#include <mpi.h>

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "comm/owned_comm.hpp"

namespace allgrad {

/// A collective, as ranks know it: by its communicator and its number there, from 1. Where a communicator is made, by
/// its ranks and how many they have made; such ids are not below `first_of_making`.
struct CollectiveId {
  static constexpr std::uint64_t first_of_making = std::uint64_t{1} << 63U;

  std::uint64_t comm;
  std::uint64_t number;

  auto operator<=>(const CollectiveId&) const = default;
};

/// Notes that ranks leave each other from point to point, beside all collectives: that one has left the body of
/// `allgrad::run` or has given a collective up, and who is waiting in which. Whoever waits looks for them. Ranks here
/// are those of MPI_COMM_WORLD. Any thread may call.
class Notes {
 public:
  /// Collective over MPI_COMM_WORLD, at the first call; later ones return what the first made.
  static Notes& of_world();

  /// Null before the first call of of_world.
  static Notes* get();

  /// Tells all others that this rank has left, and how: "returned normally" or "threw: ...".
  void leave(std::string_view how);

  /// Why a collective was given up: the rank of its communicator that was missing, a text, and whether ranks did not do
  /// the same.
  struct Reason {
    int missing;
    std::string text;
    bool is_divergence = false;
  };

  /// Tells `ranks` that this one does not go on with a collective, and why.
  void give_up(std::span<const int> ranks, const CollectiveId& collective, const Reason& why);

  /// Asks `ranks` who of them waits in a collective, and takes note of the answers as they come.
  void ask(std::span<const int> ranks, const CollectiveId& collective);

  /// The collectives that this rank has begun on a communicator are counted in `begun`, until it is forgotten. Where
  /// there is no memory to keep that, `waits_elsewhere` finds nothing.
  void count(std::uint64_t comm, const std::size_t* begun) noexcept;
  void forget(std::uint64_t comm) noexcept;

  /// Tells the neighbours of this rank in `ranks`, a ring, or all of these, once that it waits in a collective, and how
  /// `text` calls it; one that has not taken note of a former one, when it has, so that notes do not pile up where a
  /// rank never waits.
  void tell_waiting(std::span<const int> ranks, const CollectiveId& collective, bool has_failed, bool to_all,
                    const std::function<std::string()>& text);

  /// What another rank waits in, and whether as one that has failed.
  struct Waiting {
    CollectiveId collective;
    bool has_failed;
    std::string text;
    CollectiveId asked = {}, not_begun = {};  // what it was asked for, and what it has not begun while it waits
  };

  /// What `rank` waits in instead of `collective`, in which this one waits for it, where neither goes on: this one has
  /// not begun that, nor `rank` this. Null where that is not so or not known; `rank` is asked then.
  const Waiting* waits_elsewhere(int rank, const CollectiveId& collective);

  /// The rank that has found out, by the above, that it and this one wait for each other while this one waits in
  /// `collective`, and the reason for which it has given up; null where there is no such.
  std::optional<std::pair<int, const Reason*>> parted(const CollectiveId& collective) const;

  /// Handles the notes that have come; one that there is no memory for is left to the next call. The rank answers while
  /// it waits, between `start_to_wait` and `end_wait`.
  void look();
  void start_to_wait(const CollectiveId& collective);
  void end_wait(const CollectiveId& collective);

  /// Whether any rank has left; and how one has, null where it has not.
  bool any_left() const;
  const std::string* left(int rank) const;

  /// Why a rank has given the collective up; null where none has.
  const Reason* given_up(const CollectiveId& collective) const;

  /// Whether the rank has answered that it waits in the collective.
  bool waits(int rank, const CollectiveId& collective) const;

  /// Receives what is still to come where all ranks have left, and forgets it; for the end of allgrad::run.
  void settle();

 private:
  enum class Kind : int {
    left,
    given_up,
    diverged,
    question,
    answer,
    waiting,
    failed,
    noted,
    ask_begun,  // whether the other has not begun `collective` while it waits in `elsewhere`
    not_begun
  };
  struct Note {
    Kind kind;
    CollectiveId collective = {};
    CollectiveId elsewhere = {};
    int missing = 0;
    std::array<char, 1500> text = {};
  };
  struct Sent {
    Note note;
    MPI_Request request;
  };

  Notes();
  void send(std::span<const int> ranks, const Note& note);
  void handle(int rank, const Note& note);
  void free_sent();
  void answer_begun(int rank, const Note& question);
  bool is_waiting_in(const CollectiveId& collective) const;
  bool has_not_begun(const CollectiveId& collective) const;

  mutable std::recursive_mutex mutex_;
  OwnedComm comm_;
  int rank_ = 0, size_ = 1;
  bool has_left_ = false;                     // and answers no more: others may have received all that they wait for
  std::optional<std::pair<int, Note>> came_;  // the last one, while there is no memory to handle it
  std::list<Sent> sent_;                      // until MPI has done with them
  std::map<int, std::string> left_;
  std::map<CollectiveId, Reason> given_up_;
  std::map<CollectiveId, std::vector<int>> answers_;
  std::vector<CollectiveId> waits_;  // this rank's, one for each thread at most
  std::map<std::uint64_t, const std::size_t*> begun_;
  std::map<int, Waiting> waiting_;
  struct Told {
    CollectiveId collective;
    bool is_noted = true;
  };
  std::map<int, Told> told_;                                     // what each neighbour was told last
  std::map<CollectiveId, std::pair<int, CollectiveId>> parted_;  // this rank's wait, the rank that asked, and its wait
};

}  // namespace allgrad
