// Ranks that meet compare what they ask for and what they have computed.
#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "allgrad/error.hpp"
#include "comm/agreement.hpp"
#include "comm/call.hpp"
#include "comm/envelope.hpp"
#include "comm_checks.hpp"

namespace test_comm_agreement {

namespace ag = allgrad;
using namespace allgrad::testing;

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
    std::vector<double> sum(ag::envelope::header), each(ag::envelope::header);
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

}  // namespace test_comm_agreement
