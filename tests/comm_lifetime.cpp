// What becomes of the duplicates of communicators: counted by an attribute of the original, which MPI copies to each
// duplicate and deletes with it. A Communicator of several ranks has two: one that the user has a handle to, and one
// for its envelopes.
#include <memory>

#include "allgrad/communicator.hpp"
#include "allgrad/error.hpp"
#include "allgrad/subcomms.hpp"
#include "catch.hpp"

namespace test_comm_lifetime {

namespace ag = allgrad;

namespace {

int copied = 0, deleted = 0;

int copy(MPI_Comm, int, void*, void* value, void* new_value, int* keep) {
  *static_cast<void**>(new_value) = value;
  *keep = 1;
  ++copied;
  return MPI_SUCCESS;
}

int refuse_copy(MPI_Comm, int, void*, void*, void*, int*) { return MPI_ERR_OTHER; }

int remove(MPI_Comm, int, void*, void*) {
  ++deleted;
  return MPI_SUCCESS;
}

MPI_Errhandler handler_of(const ag::Communicator& comm) {
  MPI_Errhandler handler = MPI_ERRHANDLER_NULL;
  MPI_Comm_get_errhandler(comm.handle(), &handler);
  return handler;
}

}  // namespace

TEST_CASE("duplicates are freed with the last handle to them") {
  const int duplicates = ag::Communicator::world().size() == 1 ? 1 : 2;
  MPI_Comm original = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &original);
  int keyval = MPI_KEYVAL_INVALID;
  MPI_Comm_create_keyval(copy, remove, &keyval, nullptr);
  MPI_Comm_set_attr(original, keyval, nullptr);
  {
    const auto first = std::make_unique<const ag::Communicator>(original);
    const auto second = std::make_unique<const ag::Communicator>(*first);
    CHECK(copied == duplicates);
    CHECK(deleted == 0);
  }
  CHECK(deleted == duplicates);
  for (int i = 0; i < 20; ++i) ag::Communicator{original}.synchronize();
  CHECK(copied == 21 * duplicates);
  CHECK(deleted == 21 * duplicates);
  MPI_Comm_free(&original);
  MPI_Comm_free_keyval(&keyval);
  CHECK(deleted == 21 * duplicates + 1);
}

TEST_CASE("errors of MPI come back from a duplicate, whatever the original does with them") {
  MPI_Comm original = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &original);
  MPI_Comm_set_errhandler(original, MPI_ERRORS_ARE_FATAL);
  const ag::Communicator comm(original);
  CHECK(handler_of(comm) == MPI_ERRORS_RETURN);
  CHECK(handler_of(ag::Communicator::world()) == MPI_ERRORS_RETURN);
  CHECK(handler_of(ag::split_subcomms({.num_groups = 1}, comm).subcomm) == MPI_ERRORS_RETURN);
  MPI_Errhandler of_original = MPI_ERRHANDLER_NULL;
  MPI_Comm_get_errhandler(original, &of_original);
  CHECK(of_original == MPI_ERRORS_ARE_FATAL);
  MPI_Comm_free(&original);
}

TEST_CASE("an error of MPI while a duplicate is made is thrown, where the original would end the program") {
  MPI_Comm original = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &original);
  MPI_Comm_set_errhandler(original, MPI_ERRORS_ARE_FATAL);
  int keyval = MPI_KEYVAL_INVALID;
  MPI_Comm_create_keyval(refuse_copy, remove, &keyval, nullptr);
  MPI_Comm_set_attr(original, keyval, nullptr);
  CHECK_THROWS_AS(ag::Communicator(original), ag::Error);
  ag::Communicator::world().synchronize();
  MPI_Comm_delete_attr(original, keyval);
  ag::Communicator(original).synchronize();
  MPI_Comm_free_keyval(&keyval);
  MPI_Comm_free(&original);
}

}  // namespace test_comm_lifetime
