#include "allgrad/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/emit.hpp"
#include "base/exception_text.hpp"
#include "base/origin.hpp"
#include "comm/mpi_check.hpp"
#include "comm/notes.hpp"
#include "comm/owned_comm.hpp"
#include "comm/wait.hpp"

namespace allgrad {

namespace {

using namespace std::chrono_literals;

constexpr auto patience = 5s;
constexpr auto poll_interval = 1ms;
constexpr std::string_view threw = "threw: ";

// MPI_Finalize may wait for a collective that was given up: then MPI_Abort ends the process, after a while.
class FinalizeLimit {
 public:
  FinalizeLimit() {
    if (!any_collective_given_up()) return;
    std::thread([] {
      std::this_thread::sleep_for(patience);
      MPI_Abort(MPI_COMM_WORLD, 1);
    }).detach();
  }
};

// Who initializes MPI finalizes it.
class MpiSession {
 public:
  MpiSession(int argc, char** argv) {
    int initialized = 0;
    MPI_Initialized(&initialized);
    owns_ = initialized == 0;
    int level = 0;
    if (owns_) MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &level);
  }
  ~MpiSession() {
    if (!owns_) return;
    const FinalizeLimit limit;
    MPI_Finalize();
  }
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

 private:
  bool owns_ = false;
};

template <class Text>
[[noreturn]] void abort_all(const Communicator& meeting, const Text& why) {
  try {
    emit(Severity::error,
         fmt::format("rank {} of {}: {}: MPI_Abort ends them all.", meeting.rank(), meeting.size(), why()));
  } catch (const std::bad_alloc&) {  // for the text
  }
  MPI_Abort(MPI_COMM_WORLD, 1);
  std::abort();
}

/// The wait for the ranks that have not left their bodies yet.
class EndOfRun {
 public:
  EndOfRun(const Communicator& meeting, const std::exception_ptr& failure) : meeting_(meeting), failure_(failure) {}

  void wait() {
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Ibarrier(meeting_.handle(), &request), "MPI_Ibarrier");
    for (;;) {
      int all_are_here = 0;
      check_mpi(MPI_Test(&request, &all_are_here, MPI_STATUS_IGNORE), "MPI_Test");
      if (all_are_here != 0) return;
      notes_.look();
      look_at_clock(std::chrono::steady_clock::now() - start_);
      std::this_thread::sleep_for(poll_interval);
    }
  }

 private:
  void look_at_clock(std::chrono::duration<double> waited) {
    if (failure_ && waited > patience) {
      abort_all(meeting_, [&] {
        return fmt::format(
            "{}. The other ranks did not follow within {} seconds, since they wait for this one or still compute",
            exception_text(failure_), patience.count());
      });
    }
    const std::optional<double> limit = time_limit();
    // One that has failed ends it with what it failed by, and the others give the one that speaks the time to do so.
    if (limit && !any_has_failed() &&
        waited.count() > *limit + (speaks() ? 0.0 : std::chrono::duration<double>(patience).count())) {
      abort_all(meeting_, [&] {
        return fmt::format("the end of allgrad::run has waited {} seconds, the limit that ALLGRAD_TIMEOUT sets, for {}",
                           *limit, text_of_missing());
      });
    }
    if (warned_ || waited < time_until_warning) return;
    warned_ = true;
    if (speaks()) warn();
  }

  void warn() const {
    try {
      emit(Severity::warning,
           fmt::format("the end of allgrad::run has waited {} seconds for {}",
                       std::chrono::duration<double>(time_until_warning).count(), text_of_missing()));
    } catch (const std::bad_alloc&) {  // which is no reason to end
    }
  }

  bool is_here(int rank) const { return rank == meeting_.rank() || notes_.left(rank) != nullptr; }

  bool any_has_failed() const {
    if (failure_) return true;
    for (int rank = 0; rank < meeting_.size(); ++rank) {
      const std::string* how = notes_.left(rank);
      if (how != nullptr && how->starts_with(threw)) return true;
    }
    return false;
  }

  /// The lowest of those that wait does.
  bool speaks() const {
    int lowest = 0;
    while (!is_here(lowest)) ++lowest;
    return lowest == meeting_.rank();
  }

  std::string text_of_missing() const {
    std::vector<std::size_t> missing;
    for (int rank = 0; rank < meeting_.size(); ++rank) {
      if (!is_here(rank)) missing.push_back(static_cast<std::size_t>(rank));
    }
    return describe_missing(missing, static_cast<std::size_t>(meeting_.size()));
  }

  const Communicator& meeting_;
  const std::exception_ptr& failure_;
  Notes& notes_ = Notes::of_world();
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool warned_ = false;
};

// Reports each text once, on the lowest rank that threw it; returns the exit code. Collective.
int report(const Communicator& meeting, const std::exception_ptr& failure) {
  const std::string_view text = failure ? exception_text(failure) : std::string_view{};
  const std::uint64_t own = failure ? std::hash<std::string_view>{}(text) | 1U : any_collective_given_up() ? 2U : 0U;
  const std::vector<std::uint64_t> outcomes = meeting.allgather(own);
  const auto lowest = std::ranges::find(outcomes, own) - outcomes.begin();
  if (failure && lowest == meeting.rank()) {
    const auto same = std::ranges::count(outcomes, own);
    if (same == meeting.size()) {
      emit(Severity::error, text);
    } else {
      const std::string others = same > 1 ? fmt::format(" (and {} more)", same - 1) : "";
      emit(Severity::error, fmt::format("rank {} of {}{}: {}", meeting.rank(), meeting.size(), others, text));
    }
  }
  const bool all_well = std::ranges::all_of(outcomes, [](std::uint64_t outcome) { return outcome == 0; });
  const bool any_threw = std::ranges::any_of(outcomes, [](std::uint64_t outcome) { return (outcome & 1U) != 0; });
  if (!all_well && !any_threw && meeting.is_root()) {
    emit(Severity::error, "a collective was given up, so the exit code is 1, though the error was caught");
  }
  return all_well ? 0 : 1;
}

/// Whether the ranks may begin; all get the same answer. What keeps them from it is reported.
bool may_begin() {
  try {
    prepare_duplicate(MPI_COMM_WORLD, Operation("allgrad::run"), check_time_limit);
    return true;
  } catch (...) {
    emit(Severity::error, exception_text(std::current_exception()));
    return false;
  }
}

/// What ranks meet in; a rank that cannot make them can tell the others in no other way than by ending them.
struct Communicators {
  Communicator world = Communicator::world();
  Communicator meeting{MPI_COMM_WORLD};  // not world: a rank that stays behind may wait in a collective of that
};

Communicators make_communicators() {
  try {
    return {};
  } catch (...) {
    emit(Severity::error, exception_text(std::current_exception()));
    MPI_Abort(MPI_COMM_WORLD, 1);
    throw;
  }
}

}  // namespace

int run(int argc, char** argv, const std::function<void(const Communicator& world)>& body) {
  const MpiSession mpi(argc, argv);
  require_mpi();
  if (!may_begin()) return 1;
  const auto [world, meeting] = make_communicators();
  std::exception_ptr failure;
  try {
    note_command_line(argc, argv);
    body(world);
  } catch (...) {
    failure = std::current_exception();
  }
  Notes& notes = Notes::of_world();
  notes.leave(failure ? fmt::format("{}{}", threw, exception_text(failure)) : "returned normally");
  EndOfRun(meeting, failure).wait();
  notes.settle();
  return report(meeting, failure);
}

}  // namespace allgrad
