// Columns of several numbers for each row and of other types, columns computed from others, and values that are
// computed once and kept.
#include <cmath>
#include <cstdint>
#include <span>

#include "array_values.hpp"
#include "check_error.hpp"
#include "hdf5_test_file.hpp"
#include "world.hpp"

namespace test_stored_values {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Array;
using ag::Expr;
using ag::Table;

namespace {

/// Rows of rank r: r + 2 of them, and none on rank 1.
std::size_t own_rows() { return world().rank() == 1 ? 0 : static_cast<std::size_t>(world().rank() + 2); }

/// A number for each global row and place in the row.
double number(std::size_t row, std::size_t place) {
  return std::sin(static_cast<double>(row) * 1.3 + static_cast<double>(place) * 0.7) + 2.0;
}

std::size_t first_row() {
  std::size_t first = 0;
  for (int rank = 0; rank < world().rank(); ++rank) first += rank == 1 ? 0 : static_cast<std::size_t>(rank + 2);
  return first;
}

std::size_t all_rows() {
  std::size_t rows = 0;
  for (int rank = 0; rank < world().size(); ++rank) rows += rank == 1 ? 0 : static_cast<std::size_t>(rank + 2);
  return rows;
}

/// Columns u [rows] and m [rows, 2, 3] of this rank's rows.
Table table_of_rows() {
  Array u = Array::from_shape({own_rows()}), m = Array::from_shape({own_rows(), 2, 3});
  for (std::size_t row = 0; row < own_rows(); ++row) {
    u(row) = number(first_row() + row, 99);
    for (std::size_t place = 0; place < 6; ++place) m(row, place / 3, place % 3) = number(first_row() + row, place);
  }
  return Table("galaxies", {{"u", u}, {"m", m}}, world());
}

}  // namespace

TEST_CASE("a column with several numbers for each row is a value per row with lanes") {
  const Table table = table_of_rows();
  const Expr m = table["m"], p = ag::parameters(6);
  CHECK(ag::to_string(m.shape()) == ag::to_string(ag::Shape{table.rows(), 2, 3}));
  const std::vector<double> at = noise_column(6, 3, 0.5, 1.5);
  const Expr by_row = sum(m * reshape(p, {2, 3}), {1, 2}) * table["u"];       // elementwise kernels, [rows]
  const Expr reversed = ag::cumsum(m, -1) * ag::flip(reshape(p, {2, 3}), 0);  // a call on the column
  const Expr product = matmul(reshape(m, {-1, 6}), p);
  std::vector<double> expected(4, 0.0), slope(6, 0.0);
  for (std::size_t row = 0; row < all_rows(); ++row) {
    double dot = 0.0, cumulated = 0.0;
    for (std::size_t place = 0; place < 6; ++place) {
      dot += number(row, place) * at[place];
      for (std::size_t k = 0; k <= place % 3; ++k) {
        cumulated += number(row, place / 3 * 3 + k) * at[(1 - place / 3) * 3 + place % 3];
      }
      slope[place] += number(row, place) * number(row, 99) + number(row, place);
    }
    expected[0] += dot * number(row, 99);
    expected[1] += cumulated;
    expected[2] += dot;
    expected[3] += number(row, 4);
  }
  for (const ag::ExecutorKind executor : executors) {
    INFO(to_string(executor));
    check_close(
        expected,
        evaluate(ag::stack({sum(by_row), sum(reversed), sum(product), sum(m, 0)[1][1]}), p, at, world(), executor),
        1e-13);
    check_close(slope, evaluate_with_gradient(sum(by_row) + sum(product), p, at, world(), executor).gradient, 1e-13);
  }
}

TEST_CASE("many rows of several numbers: tiles, blocks of lanes and prefetching keep within the column") {
  const std::size_t rows = world().rank() == 0 ? 3000 : 0;
  Array x = Array::from_shape({rows, 7});
  for (std::size_t i = 0; i < x.size(); ++i) x.storage()[i] = number(i / 7, i % 7);
  const Table table("many", {{"x", x}}, world());
  const Expr p = ag::parameters(7);
  const std::vector<double> at = noise_column(7, 3);
  double expected = 0.0;
  for (std::size_t row = 0; row < 3000; ++row) {
    for (std::size_t place = 0; place < 7; ++place) expected += std::exp(number(row, place) * at[place]);
  }
  for (const ag::ExecutorKind executor : executors) {
    CHECK(evaluate(sum(exp(table["x"] * p)), p, at, world(), executor)[0] == Approx(expected).epsilon(1e-13));
  }
}

TEST_CASE("columns of integers, booleans and floats hold the same numbers as doubles") {
  const std::size_t rows = own_rows();
  std::vector<std::int64_t> large(rows, (std::int64_t{1} << 53) - 1);
  std::vector<std::int32_t> small(rows, -7);
  std::vector<bool> flags(rows, true);
  const std::vector<float> singles(rows, 0.1F);
  const std::vector<double> lent(rows, 0.25);
  const Table table("types",
                    {{"large", large},
                     {"small", small},
                     {"flags", flags},
                     {"singles", std::span(singles)},
                     {"lent", ag::borrow(std::span(lent))}},
                    world());
  const auto total = [&](const char* name) { return ag::evaluate(sum(table[name]), world())(); };
  const auto count = static_cast<double>(all_rows());
  CHECK(total("large") == count * 9007199254740991.0);
  CHECK(total("small") == count * -7.0);
  CHECK(total("flags") == count);
  CHECK(total("lent") == 0.25 * count);
  CHECK(total("singles") == Approx(count * static_cast<double>(0.1F)).epsilon(1e-14));
}

TEST_CASE("what is wrong with a column of several numbers is told with its row") {
  const auto table_with = [](Table::Columns columns) { return Table("t", std::move(columns), world()); };
  Array bad = xt::ones<double>({3, 2});
  bad(2, 0) = NAN;
  check_error<ag::DataError>({"column \"x\" has NaN", "in row 2"}, [&](unsigned& line) {
    if (world().size() > 1) throw ag::DataError("column \"x\" has NaN in row 2");  // told on the rank that has it
    line = __LINE__ + 1;
    Table("t", {{"x", bad}});
  });
  xt::xarray<std::int64_t> inexact = xt::ones<std::int64_t>({3, 2});
  inexact(1, 1) = (std::int64_t{1} << 53) + 1;
  CHECK_THROWS_AS(table_with({{"x", inexact}}), ag::Error);
  CHECK_THROWS_AS(table_with({{"x", ag::borrow(bad)}}), ag::Error);
  CHECK_THROWS_AS(table_with({{"x", Array(2.0)}}), ag::Error);
  CHECK_THROWS_AS(table_with({{"x", xt::ones<double>({3, 2})}, {"y", xt::ones<double>({2})}}), ag::Error);
  if (world().size() == 1) return;
  const Array ragged = xt::ones<double>({std::size_t{3}, is_culprit() ? std::size_t{2} : std::size_t{4}});
  check_error<ag::Error>({"ranks make different tables"}, [&](unsigned&) {
    try {
      table_with({{"x", ragged}});
    } catch (const ag::Error& error) {
      throw ag::Error(error.what());
    }
  });
}

TEST_CASE("datasets of shape [rows, k] are columns where they are named") {
  const std::string path = TestFile::path_of(77).string();
  if (world().is_root()) {
    TestFile file(77);
    std::vector<double> colors;
    std::vector<std::int32_t> ids;
    for (std::size_t row = 0; row < 5; ++row) {
      ids.push_back(static_cast<std::int32_t>(row));
      for (std::size_t k = 0; k < 3; ++k) colors.push_back(number(row, k));
    }
    file.write<double>("colors", colors, {5, 3});
    file.write<std::int32_t>("id", ids);
    REQUIRE(H5Fflush(file.handle(), H5F_SCOPE_GLOBAL) >= 0);
    std::filesystem::copy_file(path, path + ".copy", std::filesystem::copy_options::overwrite_existing);
  }
  world().allgather(std::uint64_t{0});
  const Table table = Table::read(path + ".copy", world(), {.columns = {"id", "colors"}});
  double expected = 0.0;
  for (std::size_t row = 0; row < 5; ++row)
    expected += static_cast<double>(row) * (number(row, 0) - 2.0 * number(row, 2));
  const Expr weighted = table["id"] * sum(table["colors"] * Array{1.0, 0.0, -2.0}, 1);
  CHECK(ag::evaluate(sum(weighted), world())() == Approx(expected).epsilon(1e-13));
  world().allgather(std::uint64_t{0});
  if (world().is_root()) std::filesystem::remove(path + ".copy");
}

TEST_CASE("with_column adds a value per row, which may use sums over all rows") {
  const Table table = table_of_rows();
  const Expr u = table["u"];
  const Table more = table.with_column("centered", u - mean(u)).with_column("pair", ag::stack({u, u * u}, 1));
  CHECK(ag::to_string(more["pair"].shape()) == ag::to_string(ag::Shape{table.rows(), 2}));
  double mean_of_u = 0.0, squares = 0.0, cubes = 0.0;
  for (std::size_t row = 0; row < all_rows(); ++row) mean_of_u += number(row, 99) / static_cast<double>(all_rows());
  for (std::size_t row = 0; row < all_rows(); ++row) {
    const double x = number(row, 99);
    squares += (x - mean_of_u) * (x - mean_of_u);
    cubes += x * x * x;
  }
  CHECK(ag::evaluate(sum(square(more["centered"])), world())() == Approx(squares).epsilon(1e-12));
  CHECK(ag::evaluate(sum(view(more["pair"], ag::all(), 1) * u), world())() == Approx(cubes).epsilon(1e-12));
  // Another column of the same name and table: not the same value.
  const Table other = table.with_column("centered", 2.0 * u);
  CHECK(ag::evaluate(sum(other["centered"] - more["centered"]), world())() ==
        Approx(2.0 * mean_of_u * static_cast<double>(all_rows())).epsilon(1e-12));
}

TEST_CASE("a column that cannot be computed is an error") {
  const Table table = table_of_rows();
  const Expr u = table["u"];
  check_error<ag::ExpressionError>({"column \"x\" depends on parameters"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    table.with_column("x", u * ag::parameters(1));
  });
  check_error<ag::ExpressionError>({"column \"x\" depends on random numbers"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    table.with_column("x", ag::random::normal(ag::random::key(), u.shape()));
  });
  check_error<ag::ExpressionError>({"a value for each of its rows", "got shape []"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    table.with_column("x", sum(u));
  });
  CHECK_THROWS_AS(table.with_column("u", 2.0 * u), ag::DataError);
  CHECK_THROWS_AS(table.with_column("x", log(u - 100.0)), ag::Error);
}

TEST_CASE("store computes a value once, for all programs of a graph") {
  const Table table = table_of_rows();
  const Expr u = table["u"], p = ag::parameters(2);
  for (const ag::ExecutorKind executor : executors) {
    INFO(to_string(executor));
    int calls = 0;
    const Expr costly = ag::custom("costly", {u}, u.shape(), {.value = [&](const auto& x) {
                                     ++calls;
                                     return Array(xt::exp(x[0]));
                                   }});
    const Expr kept = store(costly - mean(costly));
    ag::CompiledGraph graph = compile(sum(square(kept - p[0] * u)) + square(p[1]), p, world(), {.executor = executor});
    const int after_compiling = calls;
    CHECK((own_rows() == 0 || after_compiling > 0));
    std::vector<double> gradient(2), hessian(4);
    const std::vector<double> at = {0.3, 0.1};
    const double loss = graph.value(at);
    graph.value_gradient_and_hessian(at, gradient, hessian, ag::Curvature::exact);
    CHECK(calls == after_compiling);

    ag::CompiledGraph plain =
        compile(sum(square(exp(u) - mean(exp(u)) - p[0] * u)) + square(p[1]), p, world(), {.executor = executor});
    std::vector<double> expected(2);
    CHECK(loss == Approx(plain.value_and_gradient(at, expected)).epsilon(1e-12));
    check_close(expected, gradient, 1e-12);
  }
}

TEST_CASE("store of lanes, of an axis of rows that is not the first, and of what needs no store") {
  const Table table = table_of_rows();
  const Expr m = table["m"], p = ag::parameters(6), rows_last = ag::moveaxis(exp(m), 0, 2);
  const Expr kept = store(rows_last);
  CHECK(ag::to_string(kept.shape()) == ag::to_string(rows_last.shape()));
  const std::vector<double> at = noise_column(6, 3);
  const auto loss = [&](const Expr& x) { return sum(x * expand_dims(reshape(p, {2, 3}), 2)); };
  for (const ag::ExecutorKind executor : executors) {
    check_close(evaluate(loss(rows_last), p, at, world(), executor), evaluate(loss(kept), p, at, world(), executor),
                1e-13);
  }
  CHECK(store(m).node() == m.node());
  CHECK(store(sum(m)).placement() == ag::Placement::partial);
  check_error<ag::ExpressionError>({"store(", "got one that depends on parameters"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    store(m * p[0]);
  });
  check_error<ag::ExpressionError>({"store(", "got one that depends on random numbers"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    store(ag::random::normal(ag::random::key(), m.shape()));
  });
}

}  // namespace test_stored_values
