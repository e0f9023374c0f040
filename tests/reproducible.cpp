// Sums that are the same to the bit on any number of ranks.
#include <bit>
#include <cmath>
#include <limits>

#include "catch.hpp"
#include "dsl/exact_sum.hpp"
#include "evaluation.hpp"
#include "examples/models/smf.hpp"
#include "world.hpp"

namespace test_reproducible {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

constexpr ag::CompileOptions reproducible{.reproducible = true};

std::uint64_t bits(double number) { return std::bit_cast<std::uint64_t>(number); }

/// Loss and gradient of a model on the rows of a table.
template <class Make>
std::vector<double> numbers_of(const WholeColumns& columns, const Split& split, const ag::Communicator& comm,
                               const std::vector<double>& params, const ag::CompileOptions& options, Make make_loss) {
  const ag::Table table = deal("table", columns, split, comm);
  const Expr p = ag::parameters(params.size());
  ag::CompiledGraph graph = compile(make_loss(table, p), p, comm, options);
  std::vector<double> numbers(params.size() + 1);
  numbers.back() = graph.value_and_gradient(params, std::span(numbers).first(params.size()));
  return numbers;
}

/// The same on all splits of the rows over all ranks as on one, to the bit, and nearly what ordinary sums give.
template <class Make>
void check(const WholeColumns& columns, const std::vector<double>& params, Make make_loss) {
  const auto expected = numbers_of(columns, all_on_first, self(), params, reproducible, make_loss);
  const auto ordinary = numbers_of(columns, all_on_first, self(), params, {}, make_loss);
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(expected[i] == Approx(ordinary[i]).epsilon(1e-9));
  for (const Split split : {all_on_first, first_is_empty, uneven, one_and_eleven}) {
    const auto actual = numbers_of(columns, split, world(), params, reproducible, make_loss);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      INFO("number " << i << ": " << actual[i] << ", expected " << expected[i]);
      CHECK(bits(actual[i]) == bits(expected[i]));
    }
  }
}

/// The exact sum of numbers by rows.
double sum_of(const std::vector<double>& numbers, const Split& split) {
  return evaluate(ag::exact_row_sum(deal("table", {{"x", numbers}}, split, world())["x"], {0}), ag::parameters(1),
                  {0.0}, world(), ag::ExecutorKind::tiled)[0];
}

}  // namespace

TEST_CASE("loss and gradient do not depend on how rows are dealt out") {
  const WholeColumns columns{{"x", noise_column(3001, 1)}, {"w", noise_column(3001, 2, 0.5, 1.5)}};
  const std::vector<double> params{0.3, -0.7};
  SECTION("one level of sums") {
    check(columns, params, [](const ag::Table& table, const Expr& p) {
      const Expr z = (ag::Array{-0.5, 0.0, 0.5} - expand_dims(table["x"] + p[0], 1)) * exp(p[1]);
      return sum(square(log(sum(exp(-square(z)) * expand_dims(table["w"], 1), 0))));
    });
  }
  SECTION("a sum that needs another") {
    check(columns, params, [](const ag::Table& table, const Expr& p) {
      const Expr y = sinh(p[0] * table["x"]) + p[1] * square(table["x"]);
      return square(mean(square(y - mean(y))) - 0.2) + square(mean(y));
    });
  }
  SECTION("sums into bins and groups, of terms at no position too") {
    check(columns, params, [](const ag::Table& table, const Expr& p) {
      const Expr bin = floor(4.0 * (table["x"] + 1.0)), weight = exp(p[0] * table["w"] + p[1] * table["x"]);
      const Expr counts = ag::histogram(bin, weight, 8);
      const Expr sums =
          ag::segment_sum(expand_dims(weight, 1) * ag::Array{1.0, -0.3}, bin - 1.0, 7);  // not of all rows
      return sum(log(counts + 1.0)) + 1e-4 * sum(square(sums));
    });
  }
  SECTION("the largest of all rows, and sums beside it") {
    check(columns, params, [](const ag::Table& table, const Expr& p) {
      const Expr y = sin(3.0 * table["x"] + p[0]) * (table["w"] + p[1]);
      const Expr zero = table["w"] * (p[1] - ag::stop_gradient(p[1]));  // many rows are equal that change differently
      return amax(y, 0) + 2.0 * amin(floor(4.0 * y) * p[0] + zero, 0) + ag::logsumexp(5.0 * y, 0);
    });
  }
  SECTION("values that are kept, of sums") {
    check(columns, params, [](const ag::Table& table, const Expr& p) {
      const Expr kept = ag::store(table["x"] / std::sqrt(3.0) - mean(sin(table["x"])) / sum(table["w"]));
      return mean(square(kept * p[0] + p[1]));
    });
  }
  SECTION("moments, softmax and weighted means of rows") {
    check(columns, params, [](const ag::Table& table, const Expr& p) {
      const Expr y = sinh(p[0] * table["x"]);
      return var(y, 0) + stddev(y * p[1], 0) + average(y, table["w"], 0) + sum(square(softmax(y, 0)));
    });
  }
  SECTION("sums over rows and lanes, scaled and joined") {
    check(columns, params, [](const ag::Table& table, const Expr& p) {
      const Expr wide = sin(expand_dims(table["x"], 1) * ag::Array{1.0, 2.0, 3.0, 4.0, 5.0} + p[0]) * p[1];
      return log(sum(wide) / 7.0 + sum(table["w"]) * 3.0) + sum(square(p));
    });
  }
}

TEST_CASE("a reproducible model gives shares too") {
  const std::vector<double> log_mass = noise_column(3001, 1, 9.0, 11.0);
  const auto make = [&](const Split& split, const ag::Communicator& comm) {
    return std::make_unique<models::Smf>(deal("halos", {{"log_mass", log_mass}}, split, comm), reproducible);
  };
  const auto whole = make(all_on_first, self()), parts = make(uneven, world());
  const ag::Array expected = whole->calc_sumstats_from_params({-1.9, 0.3});
  const ag::Array total = parts->calc_sumstats_from_params({-1.9, 0.3});
  const ag::Array share = parts->calc_sumstats_from_params({-1.9, 0.3}, false);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(bits(total.flat(i)) == bits(expected.flat(i)));
    CHECK(share.flat(i) <= total.flat(i) * (1.0 + 1e-14));
    if (world().size() == 1) CHECK(share.flat(i) == Approx(total.flat(i)));
  }
}

TEST_CASE("an exact sum loses nothing above the 80th bit below its largest term") {
  std::vector<double> numbers;
  for (int exponent = -60; exponent <= 60; exponent += 7) {
    for (const double sign : {1.0, -1.0}) numbers.push_back(sign * std::ldexp(1.2345, exponent));
  }
  numbers.push_back(std::ldexp(1.5, -15));  // all others cancel
  for (const Split split : {all_on_first, first_is_empty, uneven})
    CHECK(sum_of(numbers, split) == std::ldexp(1.5, -15));

  const std::vector<double> whole = noise_column(5000, 3, -1.0, 1.0);
  long double expected = 0.0;
  for (const double number : whole) expected += number;
  for (const Split split : {all_on_first, uneven}) {
    CHECK(bits(sum_of(whole, split)) == bits(static_cast<double>(expected)));
  }
}

TEST_CASE("exact sums of special numbers") {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const double least = std::numeric_limits<double>::denorm_min(), most = std::numeric_limits<double>::max();
  for (const Split split : {all_on_first, uneven}) {
    CHECK(sum_of({1.0, infinity, 2.0}, split) == infinity);
    CHECK(sum_of({1.0, -infinity, 2.0}, split) == -infinity);
    CHECK(std::isnan(sum_of({1.0, infinity, -infinity}, split)));
    CHECK(std::isnan(sum_of({1.0, nan, 2.0}, split)));
    CHECK(bits(sum_of({0.0, -0.0}, split)) == bits(0.0));
    CHECK(sum_of({least, 3 * least, -least}, split) == 3 * least);
    CHECK(sum_of({most, -1.0, -most}, split) == Approx(-1.0));
  }
}

TEST_CASE("both executors make the same of the same bins") {
  const ag::Table table = deal("table", {{"x", noise_column(3001, 1)}}, uneven, world());
  const Expr x = expand_dims(table["x"], 1) * ag::Array{1.0, 1e-30, 1e30};
  const Expr sums = ag::concatenate({ag::exact_row_sum(x, {0}), reshape(ag::exact_row_sum(x, {0, 1}), {1})});
  const auto tiled = evaluate(sums, ag::parameters(1), {0.0}, world(), ag::ExecutorKind::tiled);
  const auto reference = evaluate(sums, ag::parameters(1), {0.0}, world(), ag::ExecutorKind::reference);
  for (std::size_t i = 0; i < 4; ++i) CHECK(bits(tiled[i]) == bits(reference[i]));
}

}  // namespace test_reproducible
