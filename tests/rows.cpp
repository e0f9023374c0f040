// Other rows for a table whose graphs are compiled; rows dealt out, gathered and cut.
#include <cmath>

#include "array_values.hpp"
#include "check_error.hpp"
#include "world.hpp"

namespace test_rows {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Array;
using ag::Expr;
using ag::Table;

namespace {

/// Numbers of all rows of realisation `seed`, and this rank's: uneven, none on rank 1.
std::vector<double> all_numbers(std::size_t total, std::uint64_t seed) { return noise_column(total, seed, 1.0, 2.0); }

std::pair<std::size_t, std::size_t> own_part(std::size_t total) {
  return first_is_empty(total, world().rank(), world().size());
}

std::vector<double> own_numbers(std::size_t total, std::uint64_t seed) {
  const std::vector<double> all = all_numbers(total, seed);
  const auto [first, last] = own_part(total);
  return {all.begin() + static_cast<std::ptrdiff_t>(first), all.begin() + static_cast<std::ptrdiff_t>(last)};
}

Table::Columns columns_of(std::size_t total, std::uint64_t seed) {
  const std::vector<double> x = own_numbers(total, seed);
  Array pair = Array::from_shape({x.size(), 2});
  for (std::size_t row = 0; row < x.size(); ++row) {
    pair(row, 0) = x[row];
    pair(row, 1) = x[row] * x[row];
  }
  return {{"x", x}, {"pair", pair}};
}

/// Mean, deviation, a kept sum, a computed column and draws, at p: each depends on the number of rows in its own way.
struct Plain {
  double mean = 0.0, square_of_deviation = 0.0, pairs = 0.0, kept = 0.0, computed = 0.0;
};

Plain plain(std::size_t total, std::uint64_t seed) {
  const std::vector<double> x = all_numbers(total, seed);
  const auto n = static_cast<double>(total);
  Plain result;
  for (const double v : x) result.mean += v / n;
  for (const double v : x) {
    result.square_of_deviation += (v - result.mean) * (v - result.mean) / n;
    result.pairs += v + 2.0 * v * v;
    result.kept += std::exp(v - result.mean);
    result.computed += v / result.mean;
  }
  return result;
}

}  // namespace

TEST_CASE("assign gives compiled graphs other rows, more or fewer") {
  for (const ag::ExecutorKind executor : executors) {
    INFO(to_string(executor));
    const Table original("mock", columns_of(12, 1), world());
    Table table = original.with_column("relative", original["x"] / mean(original["x"]));
    const Expr p = ag::parameters(1), x = table["x"];
    const Expr statistics = ag::stack({mean(x), var(x), sum(table["pair"] * Array{1.0, 2.0}),
                                       sum(store(exp(x - mean(x)))), sum(table["relative"]), table.count()}) *
                            p[0];
    ag::CompiledGraph graph = compile(sum(square(statistics)), p, world(), {.executor = executor});
    std::size_t total = 12;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      if (seed > 1) {
        total = seed == 2 ? 3000 : seed == 3 ? 2 : 700;
        table.assign(columns_of(total, seed));
      }
      INFO(total << " rows");
      CHECK(table.total_rows() == total);
      const Plain expected = plain(total, seed);
      const auto n = static_cast<double>(total);
      const std::vector<double> values = {
          expected.mean, expected.square_of_deviation, expected.pairs, expected.kept, expected.computed, n};
      double squares = 0.0;
      for (const double value : values) squares += value * value;
      std::vector<double> gradient(1);
      CHECK(graph.value_and_gradient(std::vector{1.0}, gradient) == Approx(squares).epsilon(1e-11));
      CHECK(gradient[0] == Approx(2.0 * squares).epsilon(1e-11));
      CHECK(ag::evaluate(table.count(), world())() == n);
      CHECK(ag::evaluate(sum(table["relative"]), world())() == Approx(expected.computed).epsilon(1e-11));
    }
  }
}

TEST_CASE("assign takes the rows of another table, cut ones too, but for what was computed from them") {
  Table table("mock", columns_of(12, 1), world());
  const Table wide = table.with_column("double", 2.0 * table["x"]);
  const Table other("other", columns_of(300, 3), world());
  const Expr p = ag::parameters(1);
  const auto make = [&](const Table& t) { return sum(t["x"] * sum(t["pair"], 1)) / t.count() * p[0]; };
  const auto value_of = [&](const Table& t) { return compile(make(t), p, world()).value(std::vector{1.0}); };
  ag::CompiledGraph graph = compile(make(table), p, world());
  table.assign(other.with_column("double", 3.0 * other["x"]));
  CHECK(graph.value(std::vector{1.0}) == value_of(other));
  CHECK(ag::evaluate(sum(wide["double"]), world())() == Approx(2.0 * ag::evaluate(sum(other["x"]), world())()));
  const Table cut = other.where(other["x"] > mean(other["x"]));
  table.assign(cut);
  CHECK(table.total_rows() == cut.total_rows());
  CHECK(graph.value(std::vector{1.0}) == value_of(cut));
  table.assign(Table("mock", columns_of(12, 1), world()));
  CHECK(table.total_rows() == 12);
}

TEST_CASE("after assign, draws are numbered as those of a new table") {
  Table table("mock", columns_of(9, 1), world());
  const Expr p = ag::parameters(1);
  const auto draws = [&](const Table& of) {
    return sum(ag::random::normal(ag::random::key(), {of.rows()}) * of["x"]) +
           sum(ag::random::uniform(ag::random::key(), {3, of.rows(), 2}) *
               Array{{{1.0, 2.0}}, {{3.0, 5.0}}, {{7.0, 11.0}}});
  };
  ag::CompiledGraph graph = compile(draws(table) * p[0], p, world());
  table.assign(columns_of(40, 2));
  const Table fresh("fresh", columns_of(40, 2), world());
  CHECK(graph.value(std::vector{1.0}, {.randkey = 5}) ==
        Approx(ag::evaluate(draws(fresh), world(), true, 5)()).epsilon(1e-12));
}

TEST_CASE("rows that do not fit are refused on all ranks, and the table stays as it was") {
  Table table("mock", columns_of(12, 1), world());
  const double before = ag::evaluate(sum(table["x"]), world())();
  const auto refused = [&](const std::string& part, auto assign) {
    try {
      assign();
      FAIL_CHECK("nothing was thrown");
    } catch (const std::exception& error) {
      INFO(error.what());
      CHECK(std::string(error.what()).find(part) != std::string::npos);
    }
    CHECK(ag::evaluate(sum(table["x"]), world())() == before);
    CHECK(table.total_rows() == 12);
  };
  refused("for \"pair\"; assign each column, [rows, 2]", [&] { table.assign({{"x", std::vector{1.0}}}); });
  refused("got some of \"y\"", [&] {
    Table::Columns columns = columns_of(5, 1);
    columns.emplace_back("y", columns[0].second);
    table.assign(columns);
  });
  refused("got none of that kind for \"pair\"", [&] {
    table.assign({{"x", std::vector{1.0}}, {"pair", Array(xt::ones<double>({1, 3}))}});
  });
  refused("has NaN", [&] {
    Table::Columns columns = columns_of(5, 1);
    if (is_culprit()) columns = {{"x", std::vector<double>{NAN}}, {"pair", Array(xt::ones<double>({1, 2}))}};
    table.assign(columns);
  });
  refused("expected finite numbers for the column \"x\", as when the table was made", [&] {
    Table::Columns columns = columns_of(5, 1);
    columns[0].second = ag::may_be_nan(columns[0].second);
    table.assign(columns);
  });
  refused("no file", [&] {
    table.assign([]() -> Table::Columns {
      if (is_culprit()) throw std::runtime_error("no file");
      return columns_of(5, 1);
    });
  });
}

TEST_CASE("scatter deals out the rows of rank 0, gather_rows brings values back") {
  constexpr std::size_t total = 300000;  // more than travel at a time
  const std::vector<double> x = all_numbers(total, 3);
  Table::Columns columns;
  if (world().is_root()) {
    Array pair = Array::from_shape({total, 2});
    for (std::size_t row = 0; row < total; ++row) {
      pair(row, 0) = x[row];
      pair(row, 1) = static_cast<double>(row);
    }
    std::vector<double> holes = x;
    holes[7] = NAN;
    columns = {{"x", x}, {"pair", pair}, {"holes", ag::may_be_nan(holes)}};
  }
  const Table table = Table::scatter("catalogue", columns, world());
  const ag::RowShare share = ag::share_of_rows(total, world());
  CHECK(table.local_rows() == share.count());
  CHECK(table.first_row() == share.first);
  CHECK(table.total_rows() == total);
  const Array back = gather_rows(table["pair"] * Array{2.0, 1.0});
  REQUIRE(back.dimension() == 2);
  CHECK(back.shape()[0] == (world().is_root() ? total : 0));
  bool same = true;
  for (std::size_t row = 0; row < back.shape()[0]; ++row) {
    same = same && back(row, 0) == 2.0 * x[row] && back(row, 1) == static_cast<double>(row);
  }
  CHECK(same);
  CHECK(ag::evaluate(sum(isnan(table["holes"])), world())() == 1.0);

  CHECK_THROWS_AS(Table::scatter("ragged", {{"x", std::vector{1.0}}, {"y", std::vector{1.0, 2.0}}}, world()),
                  ag::Error);
  CHECK_THROWS_AS(Table::scatter("none", {}, world()), ag::Error);
  CHECK_THROWS_AS(gather_rows(sum(table["x"])), ag::ExpressionError);
  CHECK_THROWS_AS(gather_rows(table["x"] * ag::parameters(1)), ag::ExpressionError);
}

TEST_CASE("where makes a table of the rows that a mask keeps") {
  const Table table = Table("mock", columns_of(50, 1), world());
  const Table more = table.with_column("twice", 2.0 * table["x"]);
  const Table cut = more.where(more["x"] > 1.5);
  double expected = 0.0, pairs = 0.0;
  std::size_t count = 0;
  for (const double x : all_numbers(50, 1)) {
    if (x <= 1.5) continue;
    expected += 2.0 * x;
    pairs += x * x;
    ++count;
  }
  CHECK(cut.total_rows() == count);
  CHECK(ag::evaluate(sum(cut["twice"]), world())() == Approx(expected).epsilon(1e-13));
  CHECK(ag::evaluate(sum(view(cut["pair"], ag::all(), 1)), world())() == Approx(pairs).epsilon(1e-13));
  CHECK(cut.column_names() == std::vector<std::string>{"x", "pair", "twice"});
  CHECK_THROWS_AS(table.where(table["x"] > 5.0), ag::Error);
  CHECK_THROWS_AS(table.where(table["x"] > ag::parameters(1)), ag::ExpressionError);
  CHECK_THROWS_AS(table.where(mean(table["x"])), ag::ExpressionError);
}

TEST_CASE("shares of rows are contiguous and cover all") {
  for (const std::size_t total : {0U, 1U, 2U, 3U, 10U, 1001U}) {
    const ag::RowShare share = ag::share_of_rows(total, world());
    const auto counts = world().allgather(share.count());
    std::size_t first = 0;
    for (int rank = 0; rank < world().rank(); ++rank) first += counts[static_cast<std::size_t>(rank)];
    CHECK(share.first == first);
    std::size_t all = 0;
    for (const auto count : counts) all += count;
    CHECK(all == total);
    CHECK(*std::ranges::max_element(counts) - *std::ranges::min_element(counts) <= 1);
  }
}

TEST_CASE("columns and stored values that use rows of another table follow that one, too") {
  Table a("a", columns_of(12, 1), world()), b("b", columns_of(30, 2), world());
  const Table more = a.with_column("scaled", a["x"] * mean(b["x"]));
  const Expr p = ag::parameters(1);
  ag::CompiledGraph graph = compile(sum(more["scaled"] + store(a["x"] / b.count())) * p[0], p, world());
  const auto expected = [&](std::size_t total, std::uint64_t seed) {
    double sum = 0.0, mean = 0.0;
    for (const double x : all_numbers(total, seed)) mean += x / static_cast<double>(total);
    for (const double x : all_numbers(12, 1)) sum += x * mean + x / static_cast<double>(total);
    return sum;
  };
  CHECK(graph.value(std::vector{1.0}) == Approx(expected(30, 2)).epsilon(1e-12));
  b.assign(columns_of(50, 3));
  CHECK(graph.value(std::vector{1.0}) == Approx(expected(50, 3)).epsilon(1e-12));
  CHECK(ag::evaluate(sum(more["scaled"]) + sum(a["x"] / b.count()), world())() ==
        Approx(expected(50, 3)).epsilon(1e-12));
}

TEST_CASE("a computed column that other rows make infinite is an error, not a number") {
  Table table("mock", {{"x", own_numbers(9, 1)}}, world());
  const Table more = table.with_column("log", log(table["x"]));
  const Expr p = ag::parameters(1);
  ag::CompiledGraph graph = compile(sum(more["log"]) * p[0], p, world());
  std::vector<double> bad = own_numbers(9, 1);
  if (is_culprit()) bad.assign(2, 0.0);
  table.assign({{"x", bad}});
  for (int attempt = 0; attempt < 2; ++attempt) {
    CHECK_THROWS_AS(graph.value(std::vector{1.0}), ag::Error);
    CHECK_THROWS_AS(ag::evaluate(sum(more["log"]), world()), ag::Error);
  }
  table.assign({{"x", own_numbers(9, 1)}});
  double expected = 0.0;
  for (const double x : all_numbers(9, 1)) expected += std::log(x);
  CHECK(graph.value(std::vector{1.0}) == Approx(expected).epsilon(1e-12));
}

TEST_CASE("a mask has one number for each row, and a count is of a table on the same communicator") {
  const Table table("mock", columns_of(9, 1), world());
  check_error<ag::ExpressionError>({"expected as mask one number for each row, [rows], got shape [rows, 2]"},
                                   [&](unsigned& line) {
                                     line = __LINE__ + 1;
                                     table.where(table["pair"] > 1.5);
                                   });
  const Table own("own", {{"x", std::vector{1.0, 2.0}}}, self());
  CHECK_THROWS_AS(ag::evaluate(own.count() * sum(table["x"]), world()), ag::ExpressionError);
}

TEST_CASE("stored values with sums in them are the same to the bit on any number of ranks") {
  const Table table("mock", columns_of(2000, 7), world());
  const Table whole("mock", {{"x", all_numbers(2000, 7)}}, self());
  const Expr p = ag::parameters(1);
  const auto value = [&](const Table& of) {
    ag::CompiledGraph graph =
        compile(sum(square(store(of["x"] - mean(of["x"])) * p[0])), p, of.communicator(), {.reproducible = true});
    return graph.value(std::vector{1.3});
  };
  CHECK(value(table) == value(whole));
}

TEST_CASE("units are kept with their columns and shown") {
  Table::Columns columns = columns_of(50, 1);
  columns[0].second = ag::with_unit(std::move(columns[0].second), "Mpc / h");
  columns[1].second = ag::with_unit(std::move(columns[1].second), "mag");
  Table table("mock", columns, world());
  const Table more = table.with_column("area", square(table["x"]), "Mpc2 / h2").with_column("ratio", 2.0 * table["x"]);
  const std::string ranks = fmt::format("50 rows on {} rank{}", world().size(), world().size() == 1 ? "" : "s");
  const std::string text = "mock: " + ranks + ", columns x in Mpc / h, pair [rows, 2] in mag, area in Mpc2 / h2, ratio";
  CHECK(more.str() == text);
  CHECK(fmt::format("{}", more) == text);
  CHECK(more.where(more["x"] > 1.5).str().ends_with(text.substr(text.find(", columns"))));
  CHECK(table.unit("pair") == "mag");
  CHECK(more.unit("ratio").empty());
  CHECK_THROWS_AS(table.unit("y"), ag::ExpressionError);

  const auto scattered = Table::scatter("all", {{"z", ag::with_unit(std::vector{1.0, 2.0, 3.0}, "\xc5")}}, world());
  CHECK(scattered.unit("z") == "\u00c5");  // Latin-1 becomes UTF-8

  table.assign(columns_of(20, 2));
  CHECK(table.unit("x") == "Mpc / h");
  check_error<ag::DataError>({"column \"x\" in Mpc / h, as when the table was made, got it in kpc", "convert"},
                             [&](unsigned& line) {
                               Table::Columns other = columns_of(20, 2);
                               other[0].second = ag::with_unit(std::move(other[0].second), "kpc");
                               line = __LINE__ + 1;
                               table.assign(std::move(other));
                             });
  if (world().size() == 1) return;
  check_error<ag::DataError>({"ranks make different tables"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    Table("mock", {{"x", ag::with_unit(std::vector{1.0}, is_culprit() ? "kpc" : "Mpc")}}, world());
  });
}

}  // namespace test_rows
