// Communicators, and what is raised on all ranks where some fail.
#include <fmt/format.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "allgrad/communicator.hpp"
#include "allgrad/error.hpp"
#include "check_error.hpp"
#include "comm/call.hpp"
#include "comm_checks.hpp"

namespace test_comm {

namespace ag = allgrad;
using namespace allgrad::testing;

TEST_CASE("a communicator has the ranks of what it duplicates") {
  int rank = -1;
  int size = -1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  CHECK(world().rank() == rank);
  CHECK(world().size() == size);
  CHECK(world().is_root() == (rank == 0));
  int relation = MPI_UNEQUAL;
  MPI_Comm_compare(world().handle(), MPI_COMM_WORLD, &relation);
  CHECK(relation == MPI_CONGRUENT);
}

TEST_CASE("copies are equal, another duplicate is not") {
  const ag::Communicator copy = world();
  CHECK(copy == world());
  CHECK(copy.handle() == world().handle());
  CHECK(ag::Communicator::world() == world());
  const ag::Communicator other(MPI_COMM_WORLD);
  CHECK(other != world());
}

TEST_CASE("what one rank throws is raised on all") {
  const int culprit = world().size() - 1;
  if (culprit == 0) return;  // on one rank, one is all
  bool raised = false;
  try {
    if (world().rank() == culprit) world().fail(failure("no file halos.h5"));
    ag::Message message(1);
    message.payload()[0] = std::nan("");
    world().allreduce(message);
  } catch (const ag::RankError& error) {
    raised = true;
    CHECK(error.rank() == culprit);
    CHECK(error.what() == fmt::format("rank {} of {}: no file halos.h5", culprit, world().size()));
    const bool nested = dynamic_cast<const std::nested_exception*>(&error) != nullptr;
    CHECK(nested == (world().rank() == culprit));
    if (nested) CHECK(thrown<std::invalid_argument>([&] { std::rethrow_if_nested(error); }) == "no file halos.h5");
  }
  CHECK(raised);
  check_sum(world());
}

TEST_CASE("where several ranks fail, the lowest is named and the others are counted") {
  const int n = world().size();
  if (n < 3) return;
  const std::string text = thrown<ag::RankError>([&] {
    if (world().rank() > 0) world().fail(failure(fmt::format("cause {}", world().rank())));
    world().synchronize();
  });
  const std::string others = n == 3 ? "1 other rank" : "2 other ranks";
  CHECK(text == fmt::format("rank 1 of {}: cause 1 ({} failed too)", n, others));
  check_sum(world());
}

TEST_CASE("where all ranks fail, each rethrows its own exception") {
  const std::string own = fmt::format("cause {}", world().rank());
  CHECK(thrown<std::invalid_argument>([&] { world().fail(failure(own)); }) == own);
  check_sum(world());
}

TEST_CASE("every kind of exception says what it can") {
  if (world().size() == 1) return;
  const auto text_of = [](auto thrown_value) {
    return thrown<ag::RankError>([&] {
      world().guarded([&] {
        if (world().is_root()) throw thrown_value;
      });
    });
  };
  const std::string start = fmt::format("rank 0 of {}: ", world().size());
  CHECK(text_of(std::string("a string")) == start + "a string");
  CHECK(text_of("a literal") == start + "a literal");
  CHECK(text_of(42) == start + "an exception that is no std::exception and does not say its cause");
}

TEST_CASE("a text longer than the record is cut between characters") {
  if (world().size() == 1) return;
  std::string long_text = "x";
  for (int i = 0; i < 5000; ++i) long_text += "\u00e9";  // two bytes each
  const std::string text = thrown<ag::RankError>([&] {
    if (world().is_root()) world().fail(failure(long_text));
    world().synchronize();
  });
  const std::string start = fmt::format("rank 0 of {}: ", world().size());
  // 3,071 characters: "x", 1,533 of two bytes, and the mark, which leaves one unused
  CHECK(text == start + long_text.substr(0, 1 + 2 * 1533) + "...");
}

TEST_CASE("guarded returns what the body returns, or raises on every rank") {
  bool ran = false;
  world().guarded([&] { ran = true; });
  CHECK(ran);
  CHECK(world().guarded([] { return std::vector<int>{world().rank(), 5}; }) == std::vector<int>{world().rank(), 5});

  struct NoDefault {
    explicit NoDefault(int v) : value(v) {}
    int value;
  };
  CHECK(world().guarded([] { return NoDefault(world().rank()); }).value == world().rank());
  const int rank = world().rank();
  CHECK(world().guarded([&]() -> const int& { return rank; }) == rank);

  const std::string own = "on rank " + std::to_string(rank);
  CHECK(thrown<std::runtime_error>([&] { world().guarded([&]() -> int { throw std::runtime_error(own); }); }) == own);
  if (world().size() > 1) {
    const std::string text = thrown<ag::RankError>([&] {
      world().guarded([&]() -> double {
        if (rank == 1) throw ag::DataError("no rows");
        return 1.0;
      });
    });
    CHECK(text == fmt::format("rank 1 of {}: no rows", world().size()));
  }
  check_sum(world());
}

TEST_CASE("a communicator that one thread is using is refused to another, and is free again after it") {
  const auto in_another_thread = [](auto action) {
    std::string text;
    std::thread([&] { text = thrown<ag::ArgumentError>(action); }).join();
    return text;
  };
  const auto use = [] { const ag::Call call("a fit", {"fit.cpp", 5}, world()); };
  {
    const ag::Call call("a fit", {"fit.cpp", 3}, world());
    const std::string refused = "expected one thread at a time to use a communicator, got two: ";
    CHECK(in_another_thread(use).starts_with("fit.cpp:5: " + refused));
    CHECK(in_another_thread([] { world().synchronize(); }).find(refused) != std::string::npos);
    use();  // the same thread may
    CHECK(in_another_thread(use).starts_with("fit.cpp:5: " + refused));
  }
  CHECK(in_another_thread(use).empty());
  check_sum(world());
}

TEST_CASE("a time limit that is no number of seconds is refused") {
  const char* const former = std::getenv("ALLGRAD_TIMEOUT");
  const std::string kept = former == nullptr ? "" : former;
  const auto check_with = [](const char* limit) {
    setenv("ALLGRAD_TIMEOUT", limit, 1);
    return thrown<ag::ArgumentError>([] { ag::Communicator comm(MPI_COMM_WORLD); });
  };
  for (const char* const limit : {"soon", "0", "-1", "inf", "nan", "5s"}) {
    CHECK(check_with(limit) == fmt::format("ALLGRAD_TIMEOUT: expected a number of seconds above 0, or no such "
                                           "environment variable, got \"{}\"",
                                           limit));
  }
  CHECK(check_with("2.5e3").empty());
  CHECK(check_with("").empty());
  setenv("ALLGRAD_TIMEOUT", kept.c_str(), 1);
}

TEST_CASE("allgather and first_difference raise a failure too") {
  if (world().size() == 1) return;
  const std::string expected = fmt::format("rank 1 of {}: cause", world().size());
  const auto fail_on_1 = [] {
    if (world().rank() == 1) world().fail(failure("cause"));
  };
  CHECK(thrown<ag::RankError>([&] {
          fail_on_1();
          world().allgather(1);
        }) == expected);
  const std::vector<std::uint64_t> values{world().is_root() ? 1U : 2U};
  CHECK(thrown<ag::RankError>([&] {
          fail_on_1();
          world().first_difference(values);
        }) == expected);
  check_sum(world());
}

TEST_CASE("two halves of the ranks use their communicators at once") {
  const int colour = world().rank() % 2;
  MPI_Comm half = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, colour, -world().rank(), &half);
  const ag::Communicator comm(half);
  MPI_Comm_free(&half);  // the duplicate stays
  check_sum(comm);
  ag::Message message(1);
  // Another number of collectives on each half, with other fingerprints.
  for (int turn = 0; turn < 2 + 3 * colour; ++turn) {
    message.payload()[0] = world().rank();
    comm.allreduce(message, ag::Operation("a turn").with("colour", static_cast<std::uint64_t>(colour)));
    double expected = 0.0;
    for (int rank = colour; rank < world().size(); rank += 2) expected += rank;
    CHECK(message.payload()[0] == expected);
  }
  if (colour == 1) {  // a failure in one half does not reach the other
    CHECK(thrown<std::invalid_argument>([&] { comm.fail(failure("odd")); }) == "odd");
  }
  check_sum(comm);
  check_sum(world());
}

TEST_CASE("collectives are counted") {
  const ag::Communicator comm(MPI_COMM_WORLD);
  const ag::Communicator copy = comm;
  CHECK(comm.collectives() == 0);
  check_sum(comm);
  CHECK(comm.collectives() == 1);
  comm.synchronize();
  comm.allgather(1);
  comm.first_difference({});
  CHECK(comm.guarded([] { return 1; }) == 1);
  CHECK(comm.collectives() == 7);
  CHECK(thrown<std::invalid_argument>([&] { comm.fail(failure("all")); }) == "all");
  CHECK(comm.collectives() == 9);
  CHECK(copy.collectives() == 9);
  if (comm.size() > 1) {
    const auto rank = static_cast<std::uint64_t>(comm.rank());
    CHECK_FALSE(thrown<ag::DivergenceError>([&] { comm.synchronize(ag::Operation("x").with("rank", rank)); }).empty());
    CHECK(comm.collectives() == 11);
  }
}

TEST_CASE("communicators that cannot be used are refused") {
  const auto check = [](MPI_Comm comm, const std::string& text) {
    check_error<ag::ArgumentError>({text}, [&](unsigned& line) {
      line = __LINE__ + 1;
      const ag::Communicator made(comm);
    });
  };
  check(MPI_COMM_NULL,
        "Communicator: expected a communicator, got MPI_COMM_NULL. Ranks that MPI_Comm_split left out (MPI_UNDEFINED) "
        "belong to no Communicator and must not make one.");
  if (world().size() < 2) return;
  MPI_Comm half = MPI_COMM_NULL;
  const bool first = world().is_root();
  MPI_Comm_split(MPI_COMM_WORLD, first ? 0 : 1, 0, &half);
  MPI_Comm inter = MPI_COMM_NULL;
  MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, first ? 1 : 0, 0, &inter);
  check(inter,
        "Communicator: expected an intra-communicator, got an inter-communicator. Merge it by MPI_Intercomm_merge.");
  MPI_Comm_free(&inter);
  MPI_Comm_free(&half);
}

}  // namespace test_comm
