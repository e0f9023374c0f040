// Integers that no double equals are refused wherever numbers become doubles, and no others are.
#include <cstdint>
#include <limits>
#include <xtensor/xarray.hpp>
#include <xtensor/xview.hpp>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "world.hpp"

namespace test_exact_numbers {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::ArgumentError;
using ag::detail::is_exact;

namespace {

constexpr std::int64_t beyond = (std::int64_t{1} << 53) + 1;  // 9007199254740993
const std::string number = "9007199254740993";

static_assert(is_exact(beyond - 1) && is_exact(beyond + 1) && !is_exact(beyond) && !is_exact(-beyond));
static_assert(is_exact(std::int64_t{0}) && is_exact(std::uint64_t{1} << 63) && is_exact(5 * (std::int64_t{1} << 60)));
static_assert(is_exact(std::numeric_limits<std::int64_t>::min()) &&
              !is_exact(std::numeric_limits<std::int64_t>::max()));
static_assert(!is_exact(std::numeric_limits<std::uint64_t>::max()) && is_exact(std::numeric_limits<int>::max()));

/// The numbers of an expression.
std::vector<double> numbers(const ag::Expr& expr) {
  const ag::Array values = evaluate(expr);
  return {values.begin(), values.end()};
}

}  // namespace

TEST_CASE("constants and operands") {
  const ag::Expr p = ag::parameters(1);
  const xt::xarray<std::int64_t> array = {{1, 2, 3}, {4, beyond, -beyond}};
  const std::vector<std::string> of_number = {"expected numbers that a double equals, got " + number + "; ",
                                              "2^53 = 9007199254740992"};
  const std::vector<std::string> of_array = {"expected numbers that a double equals, got " + number + " at [1, 1]; "};
  check_error<ArgumentError>(of_number, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::constant(beyond);
  });
  check_error<ArgumentError>(of_number, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::rank_constant(beyond);
  });
  check_error<ArgumentError>(of_number, [&](unsigned& line) {
    line = __LINE__ + 1;
    p* static_cast<std::uint64_t>(beyond);
  });
  check_error<ArgumentError>(of_array, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::constant(array);
  });
  check_error<ArgumentError>(of_array, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::rank_constant(array);
  });
  check_error<ArgumentError>(of_array, [&](unsigned& line) {
    line = __LINE__ + 1;
    p + array;
  });
  check_error<ArgumentError>({"got -" + number + " at [0]"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    maximum(p, xt::view(array, 1, xt::range(2, 3)));
  });
}

TEST_CASE("parameters and limits") {
  const std::vector<std::int64_t> values = {1, beyond};
  const std::vector<std::string> parts = {"got " + number + " at [1]; "};
  check_error<ArgumentError>(parts, [&](unsigned& line) {
    line = __LINE__ + 1;
    const ag::ParamValues params = values;
  });
  check_error<ArgumentError>(parts, [&](unsigned& line) {
    line = __LINE__ + 1;
    const ag::ParamValues params = xt::xarray<std::int64_t>{1, beyond};
  });
  check_error<ArgumentError>(parts, [&](unsigned& line) {
    line = __LINE__ + 1;
    const ag::Guess guess = values;
  });
  check_error<ArgumentError>(parts, [&](unsigned& line) {
    line = __LINE__ + 1;
    const ag::ParamLimits limits = values;
  });
  check_error<ArgumentError>({"got " + number + "; "}, [&](unsigned& line) {
    line = __LINE__ + 1;
    const ag::ParamLimits limits = beyond;
  });
}

TEST_CASE("columns of any integer type, on all ranks") {
  const std::vector<std::uint64_t> ids = {7, 8, static_cast<std::uint64_t>(beyond), 9};
  const xt::xarray<std::int64_t> signed_ids = {7, 8, beyond, 9};
  const std::vector<std::string> parts = {
      "table \"halos\": column \"id\" has " + number,
      fmt::format("first in row {}, counted from 0 over all ranks", 4 * world().rank() + 2), "no double equals it",
      "2^53 = 9007199254740992"};
  check_error<ag::DataError>(parts, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::Table("halos", {{"id", ids}});
  });
  check_error<ag::DataError>(parts, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::Table("halos", {{"id", ag::may_be_nan(signed_ids)}});
  });
  if (world().size() == 1) return;
  const auto on_last_rank = [&](unsigned&) {
    ag::Table("halos", {{"id", world().rank() == world().size() - 1 ? signed_ids : xt::xarray<std::int64_t>{1}}});
  };
  check_parts(caught<ag::RankError>(on_last_rank).text, {parts[0]});
}

TEST_CASE("sums over ranks, on all ranks") {
  const int last = world().size() - 1;
  const bool is_last = world().rank() == last;
  const std::vector<std::string> parts = {
      "reduce_sum: expected whole numbers whose magnitudes add up to less than 2^53"};
  check_error<ArgumentError>(parts, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::reduce_sum(is_last ? beyond : 1);
  });
  check_error<ArgumentError>(parts, [&](unsigned& line) {  // the sum of any two would be rounded
    const std::int64_t half = std::int64_t{1} << 52;
    line = __LINE__ + 1;
    ag::reduce_sum(world().size() == 1 ? 2 * half : is_last ? half + 1 : -half);
  });
  CHECK(ag::reduce_sum(is_last ? beyond - 2 : 0) == beyond - 2);
  CHECK(ag::reduce_sum(is_last ? -beyond + 2 : 0) == -beyond + 2);
  const xt::xarray<std::int64_t> array = {1, is_last ? beyond : 2};
  const auto sum = [&](unsigned&) { ag::reduce_sum(array); };
  const std::string text = last == 0 ? caught<ArgumentError>(sum).text : caught<ag::RankError>(sum).text;
  check_parts(text, {"got " + number + " at [1]"});
}

TEST_CASE("all other integers are the doubles that they equal") {
  const std::vector<std::int64_t> ids = {-3, beyond - 1, std::numeric_limits<std::int64_t>::min()};
  const ag::Table halos("halos", {{"id", ids}, {"flag", std::vector<bool>{true, false, true}}});
  CHECK(numbers(halos["id"]) == std::vector{-3.0, 0x1p53, -0x1p63});
  CHECK(numbers(halos["flag"]) == std::vector{1.0, 0.0, 1.0});
  CHECK(numbers(ag::constant(xt::xarray<std::int64_t>{1, beyond - 1})) == std::vector{1.0, 0x1p53});
  CHECK(numbers(ag::constant(beyond + 1)) == std::vector{0x1p53 + 2});
}

}  // namespace test_exact_numbers
