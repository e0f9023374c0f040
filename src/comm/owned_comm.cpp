#include "comm/owned_comm.hpp"

#include <vector>

#include "allgrad/error.hpp"
#include "comm/mpi_check.hpp"

namespace allgrad {

namespace {

// The duplicates that are not freed yet, in the order in which they were made. Never destroyed, since communicators in
// static variables may be destroyed later than it would be.
std::vector<MPI_Comm*>& live() {
  static auto* const live = new std::vector<MPI_Comm*>;
  return *live;
}

extern "C" int allgrad_free_comms(MPI_Comm, int, void*, void*) {
  for (; !live().empty(); live().pop_back()) MPI_Comm_free(live().back());  // leaves MPI_COMM_NULL in its owner
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

void check_can_duplicate(MPI_Comm original) {
  if (original == MPI_COMM_NULL) {
    throw ArgumentError(
        "Communicator: expected a communicator, got MPI_COMM_NULL. "
        "Ranks that MPI_Comm_split left out (MPI_UNDEFINED) belong to no Communicator and must not make one.");
  }
  int is_inter = 0;
  check_mpi(MPI_Comm_test_inter(original, &is_inter), "MPI_Comm_test_inter");
  if (is_inter != 0) {
    throw ArgumentError(
        "Communicator: expected an intra-communicator, got an inter-communicator. Merge it by MPI_Intercomm_merge.");
  }
}

}  // namespace

OwnedComm::OwnedComm(MPI_Comm original) {
  require_mpi();
  check_can_duplicate(original);
  [[maybe_unused]] static const bool once = (free_at_finalize(), true);
  check_mpi(MPI_Comm_dup(original, &comm_), "MPI_Comm_dup");
  check_mpi(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  live().push_back(&comm_);
}

OwnedComm::~OwnedComm() {
  if (comm_ == MPI_COMM_NULL) return;  // MPI_Finalize has freed it
  std::erase(live(), &comm_);
  MPI_Comm_free(&comm_);
}

}  // namespace allgrad
