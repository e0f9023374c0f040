#include "comm/owned_comm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <map>
#include <mutex>
#include <numeric>
#include <span>
#include <vector>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "comm/mpi_check.hpp"
#include "comm/wait.hpp"

namespace allgrad {

namespace {

std::mutex mutex_of_live;

// The duplicates that are not freed yet, in the order in which they were made. Never destroyed, since communicators in
// static variables may be destroyed later than it would be.
std::vector<MPI_Comm*>& live() {
  static auto* const live = new std::vector<MPI_Comm*>;
  return *live;
}

int mark = MPI_KEYVAL_INVALID;  // see mark_of_given_up

extern "C" int allgrad_free_comms(MPI_Comm, int, void*, void*) {
  const std::scoped_lock lock(mutex_of_live);
  for (; !live().empty(); live().pop_back()) {
    if (*live().back() != MPI_COMM_NULL) MPI_Comm_free(live().back());  // leaves MPI_COMM_NULL in its owner
  }
  if (mark != MPI_KEYVAL_INVALID) MPI_Comm_free_keyval(&mark);
  return MPI_SUCCESS;
}

// MPI_Finalize first of all deletes the attributes of MPI_COMM_SELF, while MPI still works (MPI 4.0, section 11.2.4).
void free_at_finalize() {
  int keyval = MPI_KEYVAL_INVALID;
  check_mpi(MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, allgrad_free_comms, &keyval, nullptr),
            "MPI_Comm_create_keyval");
  check_mpi(MPI_Comm_set_attr(MPI_COMM_SELF, keyval, nullptr), "MPI_Comm_set_attr");
  check_mpi(MPI_Comm_free_keyval(&keyval), "MPI_Comm_free_keyval");  // it lives on with its attribute
}

/// The key of the mark of those communicators of the user on which a wait was given up.
int mark_of_given_up() {
  [[maybe_unused]] static const int code = [] {
    const int result = MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, MPI_COMM_NULL_DELETE_FN, &mark, nullptr);
    check_mpi(result, "MPI_Comm_create_keyval");
    return result;
  }();
  return mark;
}

/// How many duplicates of communicators with the same ranks were made; such communicators are made in the same order by
/// all of these. Never destroyed.
class MadeDuplicates {
 public:
  static MadeDuplicates& of_process() {
    static auto* const made = new MadeDuplicates;
    return *made;
  }

  CollectiveId next(std::span<const int> ranks) {
    Fingerprint hash;
    for (const int rank : ranks) hash.add(rank);
    const std::uint64_t comm = hash.value() | CollectiveId::first_of_making;
    const std::scoped_lock lock(mutex_);
    std::size_t& number = numbers_[comm];
    if (Notes* notes = Notes::get()) notes->count(comm, &number);
    return {comm, ++number};
  }

  /// Ranks have agreed on the number of the last: one without memory may not have counted it.
  void agree(const CollectiveId& last) {
    const std::scoped_lock lock(mutex_);
    const auto found = numbers_.find(last.comm);
    if (found != numbers_.end()) found->second = std::max<std::size_t>(found->second, last.number);
  }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, std::size_t> numbers_;
};

void check_can_duplicate(MPI_Comm original, SourceLocation where) {
  if (original == MPI_COMM_NULL) {
    throw ArgumentError(
        "Communicator: expected a communicator, got MPI_COMM_NULL. "
        "Ranks that MPI_Comm_split left out (MPI_UNDEFINED) belong to no Communicator and must not make one.",
        where);
  }
  int is_inter = 0;
  check_mpi(MPI_Comm_test_inter(original, &is_inter), "MPI_Comm_test_inter");
  if (is_inter != 0) {
    throw ArgumentError(
        "Communicator: expected an intra-communicator, got an inter-communicator. Merge it by MPI_Intercomm_merge.",
        where);
  }
  int is_given_up = 0;
  void* value = nullptr;
  check_mpi(MPI_Comm_get_attr(original, mark_of_given_up(), &value, &is_given_up), "MPI_Comm_get_attr");
  if (is_given_up != 0) {
    throw Error(
        "Communicator: the MPI communicator cannot be used any more, since the making of a Communicator of it was "
        "given up, in which other ranks may still wait. End the program.",
        where);
  }
}

/// Lets the calls on a communicator of the user return their errors while it lives.
class ReturnedErrors {
 public:
  explicit ReturnedErrors(MPI_Comm comm) : comm_(comm) {
    check_mpi(MPI_Comm_get_errhandler(comm, &former_), "MPI_Comm_get_errhandler");
    check_mpi(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  }
  ~ReturnedErrors() {
    MPI_Comm_set_errhandler(comm_, former_);
    MPI_Errhandler_free(&former_);
  }
  ReturnedErrors(const ReturnedErrors&) = delete;
  ReturnedErrors& operator=(const ReturnedErrors&) = delete;

 private:
  MPI_Comm comm_;
  MPI_Errhandler former_ = MPI_ERRHANDLER_NULL;
};

}  // namespace

void mark_as_given_up(MPI_Comm original) { MPI_Comm_set_attr(original, mark_of_given_up(), nullptr); }

CollectiveId prepare_duplicate(MPI_Comm original, const Operation& operation, const std::function<void()>& prepare) {
  require_mpi();
  check_can_duplicate(original, operation.where());
  struct Meeting {  // the smallest of each
    std::int64_t first_failed, minus_number;
  };
  constexpr std::int64_t nobody = std::numeric_limits<int>::max();
  static Meeting room_without_memory;
  int rank = 0, size = 0;
  check_mpi(MPI_Comm_rank(original, &rank), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(original, &size), "MPI_Comm_size");
  std::exception_ptr failure;
  std::shared_ptr<Meeting> meeting(std::shared_ptr<Meeting>(), &room_without_memory);
  std::vector<int> ranks;
  CollectiveId id{};
  try {
    ranks = ranks_in_world(original);
    id = MadeDuplicates::of_process().next(ranks);
    prepare();
    meeting = std::make_shared<Meeting>();
  } catch (...) {
    failure = std::current_exception();
  }
  *meeting = {failure ? rank : nobody, -static_cast<std::int64_t>(id.number)};
  const ReturnedErrors errors(original);
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Iallreduce(MPI_IN_PLACE, meeting.get(), 2, MPI_INT64_T, MPI_MIN, original, &request), operation.what());
  PendingRequest pending(request, meeting);
  wait(pending, {.operation = operation, .id = id, .ranks = ranks, .original = original});
  id.number = static_cast<std::uint64_t>(-meeting->minus_number);
  MadeDuplicates::of_process().agree(id);
  if (failure) std::rethrow_exception(failure);
  if (meeting->first_failed == nobody) return id;
  const int first_failed = static_cast<int>(meeting->first_failed);
  throw RankError(
      first_failed,
      fmt::format("rank {} of {} cannot make a communicator, as where it is out of memory", first_failed, size),
      operation.where());
}

OwnedComm::OwnedComm() : duplicate_(std::make_shared<MPI_Comm>(MPI_COMM_NULL)) {
  [[maybe_unused]] static const bool once = (free_at_finalize(), true);
  const std::scoped_lock lock(mutex_of_live);
  live().push_back(&comm_);
}

void OwnedComm::duplicate(MPI_Comm original, const Awaited& awaited) {
  const ReturnedErrors errors(original);  // which the duplicate inherits
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Comm_idup(original, duplicate_.get(), &request), "MPI_Comm_idup");
  PendingRequest pending(request, duplicate_);
  wait(pending, awaited);
  comm_ = *duplicate_;
}

OwnedComm::~OwnedComm() {
  {
    const std::scoped_lock lock(mutex_of_live);
    if (std::erase(live(), &comm_) == 0) return;  // MPI_Finalize has freed it
  }
  if (comm_ != MPI_COMM_NULL) MPI_Comm_free(&comm_);
}

std::vector<int> ranks_in_world(MPI_Comm comm) {
  MPI_Group group = MPI_GROUP_NULL, world = MPI_GROUP_NULL;
  int size = 0;
  check_mpi(MPI_Comm_size(comm, &size), "MPI_Comm_size");
  check_mpi(MPI_Comm_group(comm, &group), "MPI_Comm_group");
  check_mpi(MPI_Comm_group(MPI_COMM_WORLD, &world), "MPI_Comm_group");
  std::vector<int> own(static_cast<std::size_t>(size)), ranks(own.size());
  std::iota(own.begin(), own.end(), 0);
  const int code = MPI_Group_translate_ranks(group, size, own.data(), world, ranks.data());
  MPI_Group_free(&group);
  MPI_Group_free(&world);
  check_mpi(code, "MPI_Group_translate_ranks");
  return ranks;
}

}  // namespace allgrad
