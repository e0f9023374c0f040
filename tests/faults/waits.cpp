// Waits that take long or are given up.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "../check_error.hpp"
#include "../said.hpp"
#include "../world.hpp"
#include "comm/comm_state.hpp"
#include "comm/wait.hpp"

namespace test_waits {

namespace ag = allgrad;
using namespace allgrad::testing;
using namespace std::chrono_literals;

namespace {

/// Waits have a limit of a moment while it lives.
struct TimeLimit {
  TimeLimit() { setenv("ALLGRAD_TIMEOUT", "0.2", 1); }
  ~TimeLimit() { unsetenv("ALLGRAD_TIMEOUT"); }
};

/// What never comes, on a machine where each test of it takes a slice of the processor's time.
struct SlowTests final : ag::Pending {
  bool is_done() override {
    std::this_thread::sleep_for(5ms);
    return false;
  }
  std::shared_ptr<void> written() override { return nullptr; }
};

/// What comes after a while.
class Late final : public ag::Pending {
 public:
  explicit Late(std::chrono::milliseconds after) : end_(std::chrono::steady_clock::now() + after) {}
  bool is_done() override { return std::chrono::steady_clock::now() >= end_; }
  std::shared_ptr<void> written() override { return nullptr; }

 private:
  std::chrono::steady_clock::time_point end_;
};

constexpr int go_on = 1;  // a tag

void send(int rank) { MPI_Send(nullptr, 0, MPI_INT, rank, go_on, MPI_COMM_WORLD); }
void receive(int rank) { MPI_Recv(nullptr, 0, MPI_INT, rank, go_on, MPI_COMM_WORLD, MPI_STATUS_IGNORE); }

}  // namespace

TEST_CASE("a long wait is told once, by the lowest rank that waits, with those that are missing") {
  const Said said;
  const auto former = std::exchange(ag::time_until_warning, 200ms);
  const int last = culprit();
  const auto check = [&](int missing, int speaker) {
    const std::size_t before = said.warnings.size();
    if (world().rank() == missing) std::this_thread::sleep_for(2s);
    world().synchronize(ag::Operation("a meeting", {"fit.cpp", 7}));
    CHECK(said.warnings.size() == before + (world().rank() == speaker ? 1 : 0));
    if (world().rank() != speaker || said.warnings.empty()) return;
    check_parts(said.warnings.back(), {fmt::format("a meeting (fit.cpp:7) has waited 0.2 seconds for rank {} of {}, "
                                                   "which has not come to it",
                                                   missing, world().size())});
  };
  check(last, 0);
  check(0, 1);
  ag::time_until_warning = former;
}

TEST_CASE("a wait looks at the clock where tests are slow, as beside other processes") {
  const TimeLimit limit;
  const std::vector<int> ranks = {world().rank()};
  SlowTests pending;
  const auto start = std::chrono::steady_clock::now();
  CHECK_THROWS_AS(ag::wait(pending, {ag::Operation("a meeting"), {world().id(), 0}, ranks}), ag::RankError);
  CHECK(std::chrono::steady_clock::now() - start < 3s);
  world().synchronize();
}

TEST_CASE("what was sent before a note may come after it") {
  const ag::CollectiveId collective = {world().id(), 1U << 20U};
  const std::vector<int> ranks = {0, 1};
  if (world().rank() == 1) {
    ag::Notes::get()->give_up(ranks, collective, {0, "rank 1 goes on without it"});
    send(0);
  }
  if (world().is_root()) {
    receive(1);
    Late pending(300ms);
    CHECK_NOTHROW(ag::wait(pending, {ag::Operation("a meeting"), collective, ranks}));
  }
  world().synchronize();
}

TEST_CASE("what MPI writes to is there as long as it may, though the collective was given up") {
  const ag::Operation operation("a gift");
  const std::vector<int> ranks = {0, 1};
  std::weak_ptr<int> gift;
  MPI_Request request = MPI_REQUEST_NULL;
  if (world().rank() == 1) {
    receive(0);
    const int value = 42;
    MPI_Send(&value, 1, MPI_INT, 0, 0, MPI_COMM_WORLD);
  }
  if (world().is_root()) {
    {
      const TimeLimit limit;
      const auto written = std::make_shared<int>(0);
      gift = written;
      MPI_Irecv(written.get(), 1, MPI_INT, 1, 0, MPI_COMM_WORLD, &request);
      ag::PendingRequest pending(request, written);
      CHECK_THROWS_AS(ag::wait(pending, {operation, {world().id(), 0}, ranks}), ag::RankError);
    }
    send(1);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    const auto kept = gift.lock();
    CHECK((kept != nullptr && *kept == 42));
  }
  world().synchronize();
}

TEST_CASE("an envelope that was given up is there when another rank answers it") {
  std::optional<ag::Communicator> comm(MPI_COMM_WORLD);
  if (world().is_root()) {
    const std::weak_ptr<ag::ShortSum> envelopes = ag::CommAccess::state(*comm).envelopes;
    const TimeLimit limit;
    CHECK_THROWS_AS(comm->synchronize(), ag::RankError);
    CHECK_THROWS_AS(comm->synchronize(), ag::Error);
    comm.reset();
    CHECK_FALSE(envelopes.expired());
    for (int rank = 1; rank < world().size(); ++rank) send(rank);
  } else {
    receive(0);
    try {
      comm->synchronize();
    } catch (const ag::RankError&) {  // on 2 ranks it has what it needs
    }
  }
  world().synchronize();
}

TEST_CASE("where the making of a communicator was given up, others can be made, but not of the same one") {
  MPI_Comm users = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &users);
  const auto make = [&](unsigned& line) {
    line = __LINE__ + 1;
    const ag::Communicator comm(users);
  };
  if (world().is_root()) {
    const TimeLimit limit;
    check_error<ag::RankError>({"Communicator", "has waited 0.2 seconds"}, make);
    for (int rank = 1; rank < world().size(); ++rank) send(rank);
  } else {
    receive(0);
    check_error<ag::RankError>({"Communicator", "has waited 0.2 seconds, the limit that ALLGRAD_TIMEOUT sets"}, make);
  }
  world().synchronize();
  check_error<ag::Error>({"Communicator: the MPI communicator cannot be used any more"}, make);

  if (world().rank() == 1) std::this_thread::sleep_for(1500ms);  // longer than what was sent before a note may take
  const ag::Communicator other(MPI_COMM_WORLD);
  other.synchronize();
  // So that MPI_Finalize finds nothing that goes on.
  if (world().is_root()) {
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Comm duplicate = MPI_COMM_NULL;
    MPI_Comm_idup(users, &duplicate, &request);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    MPI_Comm_free(&duplicate);
  }
  world().synchronize();
}

}  // namespace test_waits
