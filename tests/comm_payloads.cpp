// The numbers that travel: summed, gathered and compared over ranks.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "allgrad/error.hpp"
#include "allocations.hpp"
#include "comm/short_sum.hpp"
#include "comm_checks.hpp"

namespace test_comm_payloads {

namespace ag = allgrad;
using namespace allgrad::testing;

TEST_CASE("allreduce sums the payload over ranks") {
  check_sum(world());
  ag::Message message(3);
  for (int turn = 1; turn <= 3; ++turn) {
    const std::span<double> payload = message.payload();
    std::iota(payload.begin(), payload.end(), 10.0 * turn * world().rank());
    world().allreduce(message, ag::Operation("a turn").with("turn", static_cast<std::uint64_t>(turn)));
    const int n = world().size();
    for (int i = 0; i < 3; ++i) CHECK(payload[static_cast<std::size_t>(i)] == n * i + 10 * turn * n * (n - 1) / 2);
  }
}

TEST_CASE("NaN and infinity in the payload are data") {
  const double infinity = std::numeric_limits<double>::infinity();
  ag::Message message(3);
  message.payload()[0] = world().is_root() ? std::nan("") : 1.0;
  message.payload()[1] = world().is_root() ? infinity : 1.0;
  message.payload()[2] = 0.5;
  world().allreduce(message);
  CHECK(std::isnan(message.payload()[0]));
  CHECK(message.payload()[1] == infinity);
  CHECK(message.payload()[2] == 0.5 * world().size());
}

TEST_CASE("a message larger than MPI can count is refused") {
  const std::size_t size = std::size_t{1} << 31;
  CHECK(thrown<ag::ArgumentError>([&] { ag::Message message(size); }) ==
        "a message of 2147483648 numbers: MPI counts to 2147483647. Reduce the statistics to fewer numbers.");
}

TEST_CASE("payloads of any length are summed, in the envelope and behind it") {
  for (const std::size_t size : {0U, 1U, 249U, 250U, 251U, 256U, 1000U}) {
    ag::Message message(size);
    for (std::size_t i = 0; i < size; ++i) message.payload()[i] = world().rank() + static_cast<double>(i);
    const std::size_t before = world().collectives();
    world().allreduce(message);
    CHECK(world().collectives() - before == (size <= 250 ? 1 : 2));
    const int n = world().size();
    bool right = true;
    for (std::size_t i = 0; i < size; ++i) {
      right = right && message.payload()[i] == n * (n - 1) / 2 + n * static_cast<double>(i);
    }
    CHECK(right);
  }
}

TEST_CASE("first_difference finds the smallest index at which ranks differ") {
  const std::uint64_t highest = std::numeric_limits<std::uint64_t>::max();
  std::vector<std::uint64_t> values{0, highest, 17, 1ULL << 63, 5};
  CHECK(world().first_difference(values) == values.size());
  CHECK(world().first_difference({}) == 0);
  if (world().size() == 1) return;
  if (world().is_root()) values[4] = 6;
  CHECK(world().first_difference(values) == 4);
  if (world().rank() == 1) values[1] = highest - 1;
  CHECK(world().first_difference(values) == 1);
  if (world().rank() == 1) values[0] = highest;
  CHECK(world().first_difference(values) == 0);
}

TEST_CASE("allgather gives one number from each rank, in order") {
  const auto rank = static_cast<std::uint64_t>(world().rank());
  const std::vector<std::uint64_t> gathered = world().allgather(rank * rank + 3);
  REQUIRE(gathered.size() == static_cast<std::size_t>(world().size()));
  for (std::uint64_t i = 0; i < gathered.size(); ++i) CHECK(gathered[i] == i * i + 3);
}

TEST_CASE("allreduce and synchronize allocate nothing") {
  ag::Message message(1000);
  world().synchronize();
  const std::size_t before = allocations();
  for (int turn = 0; turn < 10; ++turn) {
    world().allreduce(message);
    world().synchronize();
  }
  CHECK(allocations() == before);
  const auto one = std::make_unique<ag::Message>(1);
  CHECK(allocations() == before + 3);  // the counter counts: the message, its buffer and the vector of that
}

TEST_CASE("sums have the same bits on all ranks, those of NaN too") {
  const auto rank = static_cast<std::uint64_t>(world().rank());
  ag::Message message(3);
  message.payload()[0] = 0.1 * (world().rank() + 1);
  message.payload()[1] = std::pow(-7.3, world().rank());
  message.payload()[2] = std::bit_cast<double>(0x7ff8000000000001U + rank);  // a NaN of its own on each rank
  world().allreduce(message);
  double tenths = 0.0, powers = 0.0;
  for (int i = 0; i < world().size(); ++i) tenths += 0.1 * (i + 1), powers += std::pow(-7.3, i);
  CHECK(message.payload()[0] == Approx(tenths).epsilon(1e-15));
  CHECK(message.payload()[1] == Approx(powers).epsilon(1e-14));
  CHECK(std::isnan(message.payload()[2]));
  std::vector<std::uint64_t> bits;
  for (const double sum : message.payload()) bits.push_back(std::bit_cast<std::uint64_t>(sum));
  CHECK(world().first_difference(bits) == bits.size());
}

TEST_CASE("what a rank does not give to a sum of few numbers counts as 0") {
  MPI_Comm comm = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &comm);
  const int size = world().size();
  const auto sum = std::make_shared<ag::ShortSum>(world().rank(), size);
  sum->use(comm);
  const auto check = [&](const std::function<int(int rank)>& count) {
    std::ranges::fill(sum->values(), 1e9);  // what is behind the count does not matter
    for (int i = 0; i < count(world().rank()); ++i) sum->values()[static_cast<std::size_t>(i)] = world().rank() + i + 1;
    sum->start(static_cast<std::size_t>(count(world().rank())));
    while (!sum->is_done()) {
    }
    for (int i = 0;; ++i) {
      double expected = 0.0;
      for (int rank = 0; rank < size; ++rank) expected += i < count(rank) ? rank + i + 1 : 0;
      if (expected == 0.0) break;
      CHECK(sum->values()[static_cast<std::size_t>(i)] == expected);
    }
  };
  check([](int) { return static_cast<int>(ag::ShortSum::most); });
  check([](int rank) { return rank + 1; });
  check([&](int rank) { return 2 * (size - rank); });
  check([](int rank) { return rank == 0 ? 0 : 5; });
  check([](int rank) { return rank == 0 ? 5 : 0; });
  MPI_Comm_free(&comm);
}

TEST_CASE("messages of the user's own do not meet the library's") {
  const int next = (world().rank() + 1) % world().size();
  int received = -1;
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Irecv(&received, 1, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, world().handle(), &request);
  check_sum(world());
  const int own = world().rank();
  MPI_Send(&own, 1, MPI_INT, next, 0, world().handle());
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  CHECK(received == (world().rank() + world().size() - 1) % world().size());
}

}  // namespace test_comm_payloads
