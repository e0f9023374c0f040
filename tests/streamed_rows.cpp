// Tables whose rows stay in a file and are read block by block, beside the same tables in memory.
#include <hdf5.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "check_error.hpp"
#include "evaluation.hpp"
#include "examples/models/twostage.hpp"
#include "hdf5_test_file.hpp"
#include "shared_file.hpp"
#include "world.hpp"

namespace test_streamed_rows {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;
using ag::Table;

namespace {

constexpr std::size_t num_rows = 20011;  // many blocks on each of a few ranks, none of them whole

/// A file of columns x, w and m [rows, 3], the same for all ranks, gone with this object.
class Catalogue {
 public:
  explicit Catalogue(std::size_t rows = num_rows, const std::function<void(std::vector<double>&)>& change = {})
      : file_(".h5", [&](const std::string& path) { write(path, rows, change); }) {}

  const std::string& path() const { return file_.path(); }
  Table in_memory() const { return Table::read(path(), world(), {.columns = {"x", "w", "m"}}); }
  Table streamed(std::size_t rows) const {
    return Table::read(path(), world(), {.columns = {"x", "w", "m"}, .stream = rows});
  }

 private:
  static void write(const std::string& path, std::size_t rows,
                    const std::function<void(std::vector<double>&)>& change) {
    TestFile file;
    std::vector<double> x = noise_column(rows, 1);
    if (change) change(x);
    file.write("x", x);
    file.write_unit("x", "unit", "Mpc", true);
    file.write("w", noise_column(rows, 2, 0.5, 1.5));
    file.write("m", noise_column(3 * rows, 3), {rows, 3});
    std::filesystem::copy(file.path(), path);
  }

  SharedFile file_;
};

std::vector<double> loss_and_gradient(const Table& table, const ag::CompileOptions& options,
                                      const std::function<Expr(const Table&, const Expr&)>& make,
                                      const std::optional<ag::Key>& randkey = {}) {
  const Expr p = ag::parameters(2);
  ag::CompiledGraph graph = compile(make(table, p), p, table.communicator(), options);
  std::vector<double> numbers(3);
  for (int i = 0; i < 2; ++i) {  // the second time the first block is there already
    numbers[2] = graph.value_and_gradient(std::vector{0.3, -0.7}, std::span(numbers).first(2), {.randkey = randkey});
  }
  return numbers;
}

/// The same to the bit as in memory, whatever the blocks.
void check_same(const std::function<Expr(const Table&, const Expr&)>& make, const std::optional<ag::Key>& randkey = {},
                std::size_t rows = num_rows) {
  const Catalogue file(rows);
  for (const bool reproducible : {false, true}) {
    const ag::CompileOptions options{.reproducible = reproducible};
    const std::vector<double> expected = loss_and_gradient(file.in_memory(), options, make, randkey);
    for (const std::size_t block : {std::size_t{1}, std::size_t{1500}, std::size_t{4096}, std::size_t{1000000}}) {
      INFO("blocks of " << block << (reproducible ? ", reproducible" : ""));
      CHECK(loss_and_gradient(file.streamed(block), options, make, randkey) == expected);
    }
  }
}

double sum_of_x(const Table& table) {
  const Expr p = ag::parameters(1);
  return compile(sum(exp(table["x"] * p[0])), p, table.communicator()).value(std::vector{1.0});
}

}  // namespace

TEST_CASE("loss and gradient of a streamed table are those in memory") {
  SECTION("plain values") {
    check_same([](const Table& t, const Expr& p) { return sum(square(t["x"] * p[0] + p[1]) * t["w"]) / t.count(); });
  }
  SECTION("sums that need others, in sweeps of other columns") {
    check_same([](const Table& t, const Expr& p) {
      const Expr y = sinh(p[0] * t["x"]) + p[1] * square(t["x"]), average = sum(y * t["w"]) / sum(t["w"]);
      return square(mean(square(y - average)) - 0.2) + square(average);
    });
  }
  SECTION("lanes, and columns of several numbers for each row") {
    check_same([](const Table& t, const Expr& p) {
      const ag::Array edges = {-0.5, 0.0, 0.5};
      const Expr bells = exp(-square(edges - expand_dims(t["x"] * p[0], 1))) * t["m"];
      return sum(square(sum(bells, 0))) + sum(t["m"] * p[1]);
    });
  }
  SECTION("random numbers of each row") {
    check_same(
        [](const Table& t, const Expr& p) {
          const Expr draws = ag::random::normal(ag::random::key(), {t.rows()});
          return mean(square(t["x"] * p[0] + draws * p[1]));
        },
        ag::Key(42));
  }
  SECTION("ranks without rows") {
    check_same([](const Table& t, const Expr& p) { return sum(square(t["x"] * p[0] + p[1])); }, {}, 2);
  }
}

TEST_CASE("a model with sums of three levels sees the same rows") {
  const Catalogue file;
  models::TwoStage in_memory(file.in_memory()), streamed(file.streamed(2000));
  const auto expected = in_memory.calc_loss_and_grad_from_params({0.7, 0.2});
  const auto actual = streamed.calc_loss_and_grad_from_params({0.7, 0.2});
  CHECK(actual.first.value == expected.first.value);
  const bool same = actual.second == expected.second;
  CHECK(same);
}

TEST_CASE("a streamed table beside one in memory") {
  const Catalogue file;
  const Table other = deal("other", {{"y", noise_column(500, 9)}}, uneven, world());
  check_same([&](const Table& t, const Expr& p) {
    return sum(square(t["x"] - p[0])) / t.count() + sum(square(other["y"] - p[1])) / other.count();
  });
}

TEST_CASE("rows of another table that point to rows of a streamed table") {
  const Catalogue file;
  const auto with_pointers = [](const Table& t) {
    std::vector<double> index, y = noise_column(300, 7);
    for (std::size_t i = 0; i < 300; ++i) index.push_back(static_cast<double>(t.first_row() + 61 * i % t.local_rows()));
    return Table("pointers", {{"to", std::move(index)}, {"y", std::move(y)}}, world());
  };
  check_same([&](const Table& t, const Expr& p) {
    const Table pointers = with_pointers(t);
    const Expr taken = gather(sinh(t["x"] * p[0]), pointers["to"]);                 // kept for all rows
    const Expr sums = segment_sum(pointers["y"] * p[1], pointers["to"], t.rows());  // and read in blocks
    return sum(square(taken - pointers["y"])) + sum(square(t["w"] + sums) * sum(t["m"], -1));
  });
}

TEST_CASE("a streamed column keeps its unit") {
  const Catalogue file;
  const Table table = file.streamed(2000);
  CHECK(table.unit("x") == "Mpc");
  CHECK(table.unit("w").empty());
}

TEST_CASE("what keeps values of all rows of a streamed table has them") {
  const Catalogue file;
  const Table in_memory = file.in_memory(), streamed = file.streamed(1500);
  const auto rows = [](const Table& t) { return ag::Array(ag::gather_rows(expand_dims(t["x"], 1) * t["m"])); };
  const bool same = rows(streamed) == rows(in_memory);
  CHECK(same);
}

TEST_CASE("other rows are assigned to a streamed table") {
  const Catalogue file;
  Table table = file.streamed(1500);
  const Expr p = ag::parameters(1);
  ag::CompiledGraph graph = compile(mean(table["x"] * p[0]), p, world());
  graph.value(std::vector{1.0});
  table.assign({{"x", {1.0, 2.0}}, {"w", {1.0, 1.0}}, {"m", ag::Array(xt::zeros<double>({2, 3}))}});
  CHECK(graph.value(std::vector{1.0}) == 1.5);
  CHECK(table.str().find("blocks") == std::string::npos);
}

TEST_CASE("a compiled graph goes from file to file") {
  const Catalogue first, second(7003, [](std::vector<double>&x) {
    for (double& number : x) number += 1.0;
  });
  const auto make = [](const Table& t, const Expr& p) {
    return sum(square(t["x"] * p[0] + p[1]) * sum(t["m"], -1)) / t.count();
  };
  const std::vector<double> at = {0.3, -0.7};
  const auto loss_of = [&](const Table& t) {
    const Expr p = ag::parameters(2);
    return compile(make(t, p), p, world()).value(at);
  };
  const double of_first = loss_of(first.in_memory()), of_second = loss_of(second.in_memory());
  CHECK(of_first != of_second);

  Table table = first.streamed(1500);
  const Expr p = ag::parameters(2);
  ag::CompiledGraph graph = compile(make(table, p), p, world());
  CHECK(graph.value(at) == of_first);
  for (int round = 0; round < 2; ++round) {
    table.assign(second.streamed(2000));
    CHECK(graph.value(at) == of_second);
    check_parts(table.str(), {"7003 rows", "in blocks of 2000", "x in Mpc"});
    table.assign(first.in_memory());  // both shared and given back
    CHECK(graph.value(at) == of_first);
    CHECK(table.str().find("blocks") == std::string::npos);
    const Table other = second.streamed(1024);
    table.assign(other);
    CHECK(graph.value(at) == of_second);
    CHECK(loss_of(other) == of_second);
    table.assign(first.streamed(5000));
    CHECK(graph.value(at) == of_first);
  }
  table.assign(table);
  CHECK(graph.value(at) == of_first);
}

TEST_CASE("rows of another table that do not fit are refused, and change nothing") {
  const Catalogue file;
  Table table = file.streamed(1500);
  const double before = sum_of_x(table);
  const Table fewer = Table::read(file.path(), world(), {.columns = {"x", "w"}, .stream = 1500});
  check_error<ag::DataError>({"expected other rows of all its columns", "\"m\""}, [&](unsigned& line) {
    line = __LINE__ + 1;
    table.assign(fewer);
  });
  const Table loose = Table::read(file.path(), world(), {.columns = {"x", "w", "m"}, .may_be_nan = {"w"}});
  check_error<ag::DataError>({"expected finite numbers for the column \"w\""}, [&](unsigned& line) {
    line = __LINE__ + 1;
    table.assign(loose);
  });
  CHECK(sum_of_x(table) == before);
}

TEST_CASE("a streamed table says so") {
  const Catalogue file;
  const Table table = file.streamed(1500);
  check_parts(table.str(), {"20011 rows", "read in blocks of 1500", "columns x in Mpc, w, m [rows, 3]"});
  const Expr p = ag::parameters(1);
  ag::CompiledGraph graph = compile(sum(exp(table["x"] * p[0])), p, world());
  check_parts(graph.explain(std::vector{1.0}), {"read in blocks of"});
}

TEST_CASE("NaN in the middle of a file ends an evaluation on all ranks") {
  const Catalogue file(num_rows, [](std::vector<double>& x) { x[num_rows - 3] = std::nan(""); });
  unsigned built = 0;
  const Table table = [&] {
    built = __LINE__ + 1;
    return Table::read(file.path(), world(), {.columns = {"x", "w"}, .stream = 2000});
  }();
  const auto run = [&](unsigned& line) {
    line = built;
    sum_of_x(table);
  };
  for (int i = 0; i < 2; ++i) {  // the second time too
    if (world().size() == 1) {
      check_error<ag::DataError>({"column \"x\" has NaN", "in row 20008", "may_be_nan"}, run);
    } else {
      CHECK_THROWS_AS(sum_of_x(table), ag::Error);
    }
  }
  const Expr p = ag::parameters(1);
  CHECK(std::isfinite(compile(sum(table["w"]) * p[0], p, world()).value(std::vector{1.0})));  // x is not read
  const Table allowed = Table::read(file.path(), world(), {.columns = {"x"}, .may_be_nan = {"x"}, .stream = 2000});
  CHECK(std::isnan(sum_of_x(allowed)));
}

TEST_CASE("a file that changes or shrinks ends an evaluation on all ranks") {
  const Catalogue file;
  const Table table = file.streamed(1500);
  sum_of_x(table);
  world().synchronize();
  std::function<void()> change;
  SECTION("written to") {
    change = [&] { std::ofstream(file.path(), std::ios::app) << "more"; };
  }
  SECTION("cut") {
    change = [&] { std::filesystem::resize_file(file.path(), std::filesystem::file_size(file.path()) / 2); };
  }
  SECTION("gone") {
    change = [&] { std::filesystem::remove(file.path()); };
  }
  if (world().is_root()) change();
  world().synchronize();
  CHECK_THROWS_AS(sum_of_x(table), ag::Error);
}

TEST_CASE("the reference executor reads all blocks of a streamed table") {
  const auto make = [](const Table& t, const Expr& p) {
    return sum(square(t["x"] * p[0] + p[1]) * t["w"]) / t.count() + mean(sum(t["m"], -1) * p[1]);
  };
  for (const std::size_t rows : {num_rows, std::size_t{2}}) {
    const Catalogue file(rows);
    for (const std::size_t block : {std::size_t{1}, std::size_t{1500}, std::size_t{1000000}}) {
      INFO(rows << " rows in blocks of " << block);
      CHECK(loss_and_gradient(file.streamed(block), {ag::ExecutorKind::reference}, make) ==
            loss_and_gradient(file.in_memory(), {ag::ExecutorKind::reference}, make));
    }
  }
  const Catalogue damaged(num_rows, [](std::vector<double>& x) { x[num_rows / 2] = std::nan(""); });
  const Expr p = ag::parameters(1);
  const Table table = damaged.streamed(1500);
  ag::CompiledGraph graph = compile(sum(exp(table["x"] * p[0])), p, world(), {ag::ExecutorKind::reference});
  CHECK_THROWS_AS(graph.value(std::vector{1.0}), ag::Error);
}

TEST_CASE("a streamed table is not copied by where") {
  const Catalogue file;
  const Table table = file.streamed(1500);
  check_error<ag::DataError>({"read block by block", "ReadOptions::stream"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    table.where(table["x"] > 0.0);
  });
}

TEST_CASE("options that do not go with streams, or differ from rank to rank, are refused on all ranks") {
  const Catalogue file;
  check_error<ag::DataError>({"ReadOptions::where or ReadOptions::stream", "got both"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    Table::read(file.path(), world(), {.where = [](const ag::Row&) { return true; }, .stream = 2000});
  });
  if (world().size() == 1) return;
  const std::size_t own = 2000 + static_cast<std::size_t>(world().rank());
  check_error<ag::DivergenceError>({"the same ReadOptions::stream on every rank"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    Table::read(file.path(), world(), {.stream = own});
  });
}

}  // namespace test_streamed_rows
