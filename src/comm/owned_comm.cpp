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

extern "C" int allgrad_free_comms(MPI_Comm, int, void*, void*) {
  const std::scoped_lock lock(mutex_of_live);
  for (; !live().empty(); live().pop_back()) {
    if (*live().back() != MPI_COMM_NULL) MPI_Comm_free(live().back());  // leaves MPI_COMM_NULL in its owner
  }
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

/// Marks communicators of the user on which a wait was given up: others may still come to what was begun there.
int mark_of_given_up() {
  static const int mark = [] {
    int keyval = MPI_KEYVAL_INVALID;
    check_mpi(MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, MPI_COMM_NULL_DELETE_FN, &keyval, nullptr),
              "MPI_Comm_create_keyval");
    return keyval;
  }();
  return mark;
}

void wait_on(MPI_Comm original, Pending& pending, const Awaited& awaited) {
  try {
    wait(pending, awaited);
  } catch (...) {
    MPI_Comm_set_attr(original, mark_of_given_up(), nullptr);
    throw;
  }
}

/// The duplicates of communicators with the same ranks are numbered, in the order in which these make them.
CollectiveId next_duplicate(std::span<const int> ranks) {
  constexpr std::uint64_t not_of_a_duplicate = std::uint64_t{1} << 63U;  // whose ids are below it
  static std::mutex mutex;
  static auto* const made = new std::map<std::uint64_t, std::uint64_t>;
  Fingerprint hash;
  for (const int rank : ranks) hash.add(rank);
  const std::scoped_lock lock(mutex);
  return {hash.value() | not_of_a_duplicate, ++(*made)[hash.value()]};
}

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
        "given "
        "up, in which other ranks may still wait. End the program.",
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

CollectiveId prepare_duplicate(MPI_Comm original, const Operation& operation, const std::function<void()>& prepare) {
  require_mpi();
  check_can_duplicate(original, operation.where());
  constexpr int nobody = std::numeric_limits<int>::max();
  static int room_without_memory;
  int rank = 0, size = 0;
  check_mpi(MPI_Comm_rank(original, &rank), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(original, &size), "MPI_Comm_size");
  std::exception_ptr failure;
  std::shared_ptr<int> first_failed(std::shared_ptr<int>(), &room_without_memory);
  std::vector<int> ranks;
  CollectiveId id{};
  try {
    ranks = ranks_in_world(original);
    id = next_duplicate(ranks);
    prepare();
    first_failed = std::make_shared<int>(nobody);
  } catch (...) {
    failure = std::current_exception();
    *first_failed = rank;
  }
  const ReturnedErrors errors(original);
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Iallreduce(MPI_IN_PLACE, first_failed.get(), 1, MPI_INT, MPI_MIN, original, &request),
            operation.what());
  PendingRequest pending(request, first_failed);
  wait_on(original, pending, {operation, id, ranks});
  if (failure) std::rethrow_exception(failure);
  if (*first_failed == nobody) return id;
  throw RankError(
      *first_failed,
      fmt::format("rank {} of {} cannot make a communicator, as where it is out of memory", *first_failed, size),
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
  wait_on(original, pending, awaited);
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
