#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "allgrad/communicator.hpp"
#include "allgrad/error.hpp"
#include "allocations.hpp"
#include "catch.hpp"
#include "comm/agreement.hpp"
#include "comm/call.hpp"
#include "comm/envelope.hpp"
#include "comm/wait.hpp"

namespace ag = allgrad;

namespace {

const ag::Communicator& world() {
  static const ag::Communicator world = ag::Communicator::world();
  return world;
}

// What `action` throws as an `E`; "" where it throws nothing. Another exception ends the test.
template <class E, class F>
std::string thrown(F&& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

std::exception_ptr failure(const std::string& text) { return std::make_exception_ptr(std::invalid_argument(text)); }

// A sum with rank-dependent data comes out right, as a check that the communicator (still) works.
void check_sum(const ag::Communicator& comm) {
  ag::Message message(2);
  message.payload()[0] = comm.rank() + 1;
  message.payload()[1] = std::ldexp(1.0, -comm.rank());
  comm.allreduce(message);
  const int n = comm.size();
  CHECK(message.payload()[0] == n * (n + 1) / 2);
  CHECK(message.payload()[1] == 2.0 - std::ldexp(1.0, 1 - n));
}

}  // namespace

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

TEST_CASE("of requests to stop all ranks get the most urgent one of the lowest rank") {
  const int last = world().size() - 1;
  const auto own = [](ag::StopReason reason) {
    return std::optional(ag::StopRequest{reason, world().rank(), fmt::format("{}", world().rank())});
  };
  const auto check = [&](const std::optional<ag::StopRequest>& wish, ag::StopReason reason, int rank) {
    const auto stop = ag::meet(world(), ag::Operation("a step"), wish);
    REQUIRE(stop.has_value());
    CHECK(stop->reason == reason);
    CHECK(stop->rank == rank);
    CHECK(stop->text == std::to_string(rank));
    check_sum(world());
  };
  CHECK_FALSE(ag::meet(world(), ag::Operation("a step")).has_value());
  const bool is_last = world().rank() == last;
  check(is_last ? own(ag::StopReason::wish) : std::nullopt, ag::StopReason::wish, last);
  check(own(is_last ? ag::StopReason::exception : ag::StopReason::signal), ag::StopReason::exception, last);
  check(own(ag::StopReason::signal), ag::StopReason::signal, 0);

  // A failure goes before, and so does a rank that is at something else.
  if (world().size() == 1) return;
  CHECK(thrown<ag::RankError>([&] {
          if (is_last) world().fail(failure("no memory"));
          ag::meet(world(), ag::Operation("a step"), own(ag::StopReason::wish));
        }) == fmt::format("rank {} of {}: no memory", last, last + 1));
  CHECK_FALSE(thrown<ag::DivergenceError>([&] {
                if (is_last) return world().synchronize();
                ag::meet(world(), ag::Operation("a step"), own(ag::StopReason::wish));
              }).empty());
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

TEST_CASE("a part of an operation that differs in one bit is an error on every rank, which names it") {
  ag::Message message(1);
  const auto reduce = [&](std::uint64_t value) {
    return thrown<ag::DivergenceError>([&] {
      world().allreduce(message, ag::Operation("a sum", {"fit.cpp", 7}).with("key", 5).with("row", value));
    });
  };
  CHECK(reduce(0xfeedfacecafebeef).empty());
  if (world().size() > 1) {
    const int last = world().size() - 1;
    const std::string expected = fmt::format(
        "fit.cpp:7: the ranks do not do the same: rank 0 is in a sum (fit.cpp:7), but rank {} in a sum (fit.cpp:7); "
        "these differ: row. Call the same functions of the same objects on every rank, in the same order and with the "
        "same arguments, for example broadcast from one rank (MPI_Bcast).",
        last);
    for (int bit = 0; bit < 64; ++bit) CHECK(reduce(world().rank() == last ? std::uint64_t{1} << bit : 0) == expected);
  }
  check_sum(world());
}

TEST_CASE("envelopes show a difference in any bit, of what is asked or of numbers, on any number of ranks") {
  const auto read_sum = [](int size, const ag::envelope::Contribution& own, const ag::envelope::Contribution& last) {
    std::vector<double> sum(ag::envelope::length), each(ag::envelope::length);
    for (int rank = 0; rank < size; ++rank) {
      ag::envelope::write(rank == size - 1 ? last : own, rank, size, each);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += each[i];
    }
    return ag::envelope::read(sum);
  };
  const std::uint64_t value = 0xfeedfacecafebeef;
  for (const int size : {2, 3, 64}) {
    const ag::envelope::Sum same =
        read_sum(size, {.fingerprint = value, .numbers = ~value}, {false, false, value, ~value});
    CHECK((same.same_operation && same.same_numbers && !same.any_failed && !same.any_wants_to_stop));
    for (int bit = 0; bit < 64; ++bit) {
      const std::uint64_t other = value ^ std::uint64_t{1} << bit;
      const ag::envelope::Sum asked = read_sum(size, {.fingerprint = value}, {.fingerprint = other});
      CHECK((!asked.same_operation && asked.same_numbers));
      const ag::envelope::Sum numbers = read_sum(size, {.numbers = value}, {.numbers = other});
      CHECK((numbers.same_operation && !numbers.same_numbers));
    }
  }
}

TEST_CASE("the lowest of the ranks that differ from rank 0 is named") {
  if (world().size() == 1) return;
  const auto rank = static_cast<std::uint64_t>(world().rank());
  const std::string text =
      thrown<ag::DivergenceError>([&] { world().synchronize(ag::Operation("a step").with("rank", rank)); });
  INFO(text);
  CHECK(text.find("rank 0 is in a step") != std::string::npos);
  CHECK(text.find("but rank 1 in a step") != std::string::npos);
}

TEST_CASE("ranks that are in different functions differ, though these do the same there") {
  if (world().size() == 1) return;
  const std::string text = thrown<ag::DivergenceError>([] {
    const ag::Call call(world().is_root() ? "a fit" : "a scan", {"fit.cpp", 3}, world());
    world().synchronize(ag::Operation("a step"));
  });
  INFO(text);
  CHECK(text.find("rank 0 is in a fit (fit.cpp:3), in a step, but rank 1 in a scan (fit.cpp:3), in a step") !=
        std::string::npos);
  check_sum(world());
}

TEST_CASE("after an error ranks number what they make alike, though some had begun more than others") {
  const ag::Communicator comm(MPI_COMM_WORLD);
  if (comm.size() == 1) return;
  const auto rank = static_cast<std::uint64_t>(comm.rank()), last = static_cast<std::uint64_t>(comm.size() - 1);
  const auto begin_more = [&] {
    for (std::uint64_t i = 0; i < rank; ++i) comm.next_number();
  };
  begin_more();
  CHECK_FALSE(thrown<ag::RankError>([&] {
                if (comm.is_root()) comm.fail(failure("no memory"));
                comm.synchronize();
              }).empty());
  CHECK(comm.next_number() == last);
  begin_more();
  CHECK_FALSE(
      thrown<ag::DivergenceError>([&] { comm.synchronize(ag::Operation("a step").with("rank", rank)); }).empty());
  CHECK(comm.next_number() == 2 * last + 1);
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

TEST_CASE("ranks in different collectives learn what both do, whatever these are") {
  if (world().size() == 1) return;
  const bool is_last = world().rank() == world().size() - 1;
  const auto check = [&](const std::string& first, const std::string& last, auto action, auto action_of_last) {
    const std::string text = thrown<ag::DivergenceError>([&] {
      if (is_last) return action_of_last();
      action();
    });
    INFO(text);
    CHECK(text.find("rank 0 is in " + first) != std::string::npos);
    CHECK(text.find(fmt::format("rank {} in {}", world().size() - 1, last)) != std::string::npos);
    check_sum(world());
  };
  const auto at = [](const char* what, unsigned line) { return ag::Operation(what, {"fit.cpp", line}); };
  const auto sum = [&](std::size_t size) {
    return [size, &at] {
      ag::Message message(size);
      world().allreduce(message, at("a sum", 1));
    };
  };
  const std::vector<std::uint64_t> many(1000, 1);
  check("a sum (fit.cpp:1)", "a meeting (fit.cpp:2)", sum(3), [&] { world().synchronize(at("a meeting", 2)); });
  check("a sum", "a sum", sum(3), sum(1000));
  check("a sum", "a gathering (fit.cpp:3)", sum(1000), [&] { world().allgather(1, at("a gathering", 3)); });
  check(
      "a comparison", "a gathering", [&] { world().first_difference(many, at("a comparison", 4)); },
      [&] { world().allgather(1, at("a gathering", 3)); });
  check(
      "a comparison", "a comparison", [&] { world().first_difference(many, at("a comparison", 4)); },
      [&] {
        world().first_difference({many.data(), 3}, at("a comparison", 4));
      });
  check(
      "Communicator::guarded", "Communicator::broadcast", [] { world().guarded([] {}); },
      [] { world().broadcast("text", 0); });
}

TEST_CASE("payloads of any length are summed, in the envelope and behind it") {
  for (const std::size_t size : {0U, 1U, 57U, 58U, 59U, 64U, 1000U}) {
    ag::Message message(size);
    for (std::size_t i = 0; i < size; ++i) message.payload()[i] = world().rank() + static_cast<double>(i);
    const std::size_t before = world().collectives();
    world().allreduce(message);
    CHECK(world().collectives() - before == (size <= 58 ? 1 : 2));
    const int n = world().size();
    bool right = true;
    for (std::size_t i = 0; i < size; ++i) {
      right = right && message.payload()[i] == n * (n - 1) / 2 + n * static_cast<double>(i);
    }
    CHECK(right);
  }
}

TEST_CASE("numbers that differ in their last bits become those of rank 0, others are an error") {
  const int last = world().size() - 1;
  const auto agree = [&](std::vector<double> own, std::vector<double> scales = {}) {
    ag::agree(world(), ag::Operation("a step"), {"loss", own, scales});
    return own;
  };
  const double ulp = world().rank() == last && last > 0 ? std::nextafter(0.1, 1.0) : 0.1;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> agreed = agree({ulp, -0.0, nan, 1e300});
  CHECK(agreed[0] == 0.1);
  CHECK(std::signbit(agreed[1]));
  CHECK(std::isnan(agreed[2]));
  CHECK(agreed[3] == 1e300);
  if (last == 0) return;
  const double more = world().rank() == last ? 1e-8 : 0.0;
  const std::string text = thrown<ag::DivergenceError>([&] { agree({1.0 + more}); });
  CHECK(text.find("these differ: loss") != std::string::npos);
  CHECK_FALSE(thrown<ag::DivergenceError>([&] { agree({world().rank() == last ? nan : 1.0}); }).empty());
  CHECK(agree({1.0 + more}, {100.0}) == std::vector{1.0});
  check_sum(world());
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

TEST_CASE("communicators that cannot be used are refused") {
  CHECK(thrown<ag::ArgumentError>([] { ag::Communicator comm(MPI_COMM_NULL); }) ==
        "Communicator: expected a communicator, got MPI_COMM_NULL. Ranks that MPI_Comm_split left out (MPI_UNDEFINED) "
        "belong to no Communicator and must not make one.");
  if (world().size() < 2) return;
  MPI_Comm half = MPI_COMM_NULL;
  const bool first = world().is_root();
  MPI_Comm_split(MPI_COMM_WORLD, first ? 0 : 1, 0, &half);
  MPI_Comm inter = MPI_COMM_NULL;
  MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, first ? 1 : 0, 0, &inter);
  CHECK(thrown<ag::ArgumentError>([&] { ag::Communicator comm(inter); }) ==
        "Communicator: expected an intra-communicator, got an inter-communicator. Merge it by MPI_Intercomm_merge.");
  MPI_Comm_free(&inter);
  MPI_Comm_free(&half);
}
