#include "allgrad/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

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

[[noreturn]] void abort_all(const Communicator& meeting, const std::exception_ptr& failure) {
  emit(Severity::error,
       fmt::format(
           "rank {} of {}: {}. The other ranks did not follow within {} seconds, since they wait for this one or "
           "still compute: MPI_Abort ends them all.",
           meeting.rank(), meeting.size(), exception_text(failure), patience.count()));
  MPI_Abort(MPI_COMM_WORLD, 1);
  std::abort();
}

// Returns when every rank has left its body; a rank that failed does not wait longer than its patience.
void meet_at_end(const Communicator& meeting, const std::exception_ptr& failure) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Ibarrier(meeting.handle(), &request), "MPI_Ibarrier");
  for (;;) {
    int all_are_here = 0;
    check_mpi(MPI_Test(&request, &all_are_here, MPI_STATUS_IGNORE), "MPI_Test");
    if (all_are_here != 0) return;
    if (failure && std::chrono::steady_clock::now() > deadline) abort_all(meeting, failure);
    Notes::of_world().look();  // and answers
    std::this_thread::sleep_for(poll_interval);
  }
}

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
  notes.leave(failure ? fmt::format("threw: {}", exception_text(failure)) : "returned normally");
  meet_at_end(meeting, failure);
  notes.settle();
  return report(meeting, failure);
}

}  // namespace allgrad
