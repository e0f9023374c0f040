// Data that no table can be made of: each rank that has it says so, with the user's line.
#include <cmath>
#include <fstream>
#include <limits>
#include <optional>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "hdf5_test_file.hpp"
#include "lambda_model.hpp"
#include "world.hpp"

namespace test_table_errors {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::DataError;

namespace {

const double nan_value = std::numeric_limits<double>::quiet_NaN();

/// A file that the root writes for all ranks to read, gone with this object.
class SharedFile {
 public:
  explicit SharedFile(const std::vector<std::pair<std::string, std::vector<double>>>& columns) {
    const std::uint64_t number = world().allgather(static_cast<std::uint64_t>(getpid()))[0];
    path_ = TestFile::path_of(number);
    if (world().is_root()) {
      file_.emplace(number);
      for (const auto& [name, values] : columns) file_->write(name, values);
      file_->path();
    }
    world().synchronize();
  }
  ~SharedFile() { MPI_Barrier(world().handle()); }  // nobody reads any more

  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
  std::optional<TestFile> file_;
};

/// The sum of the column `name` over all rows where it is a number.
double sum_of_numbers(const ag::Table& table, const std::string& name) {
  LambdaModel model(
      [&](const ag::Expr& params) {
        const ag::Expr column = table[name];
        const ag::Expr valid = equal(column, column);
        return sum(where(valid, params[0] * where(valid, column, 0.0), 0.0));
      },
      [](const ag::Sumstats& sumstats) { return sumstats.value; });
  return model.calc_loss_from_params({1.0});
}

}  // namespace

TEST_CASE("columns of unequal length") {
  check_error<DataError>({"table \"halos\": ", "column \"y\" has 2 rows, but column \"x\" has 3", "the same rows"},
                         [](unsigned& line) {
                           line = __LINE__ + 1;
                           ag::Table("halos", {{"x", std::vector{1.0, 2.0, 3.0}}, {"y", std::vector{1.0, 2.0}}});
                         });
}

TEST_CASE("columns without a row axis, and several numbers for each row that are borrowed") {
  check_error<DataError>({"column \"x\" is one number", "expected one for each row, shape [rows], or several"},
                         [](unsigned& line) {
                           line = __LINE__ + 1;
                           ag::Table("halos", {{"x", xt::xarray<double>(1.0)}});
                         });
  check_error<DataError>({"column \"x\" has several numbers for each row, [2, 3], and is borrowed; leave out borrow()"},
                         [](unsigned& line) {
                           const xt::xarray<double> positions = xt::ones<double>({2, 3});
                           line = __LINE__ + 1;
                           ag::Table("halos", {{"x", ag::borrow(positions)}});
                         });
}

TEST_CASE("names twice, and no columns") {
  const xt::xarray<double> values = {1.0, 2.0};
  check_error<DataError>({"table \"halos\": two columns are named \"x\"", "its own name"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::Table("halos", {{"x", values}, {"y", values}, {"x", values}});
  });
  check_error<DataError>({"table \"halos\": expected at least one column, got none"}, [](unsigned& line) {
    line = __LINE__ + 1;
    ag::Table("halos", ag::Table::Columns{});
  });
}

TEST_CASE("NaN in a column that is not declared to hold any") {
  const xt::xarray<double> values = {1.0, 2.0, nan_value, nan_value};
  check_error<DataError>({"table \"halos\": column \"x\" has NaN",
                          fmt::format("first in row {}, counted from 0 over all ranks", 4 * world().rank() + 2),
                          "remove such rows", "may_be_nan", "where"},
                         [&](unsigned& line) {
                           line = __LINE__ + 1;
                           ag::Table("halos", {{"x", values}});
                         });
  check_error<DataError>({"column \"x\" has NaN"}, [&](unsigned& line) {
    const auto load = [&] { return ag::Table::Columns{{"y", ag::may_be_nan(values)}, {"x", ag::borrow(values)}}; };
    line = __LINE__ + 1;
    ag::Table("halos", load);
  });
  const ag::Table declared("halos", {{"x", ag::may_be_nan(values)}});
  CHECK(sum_of_numbers(declared, "x") == Approx(3.0 * world().size()));
}

TEST_CASE("infinity in a column that is not declared to hold any") {
  const double infinity = std::numeric_limits<double>::infinity();
  const xt::xarray<double> values = {1.0, -infinity, infinity};
  check_error<DataError>({"table \"halos\": column \"x\" has -inf",
                          fmt::format("first in row {}, counted from 0 over all ranks", 3 * world().rank() + 1),
                          "remove such rows", "may_be_infinite"},
                         [&](unsigned& line) {
                           line = __LINE__ + 1;
                           ag::Table("halos", {{"x", ag::may_be_nan(values)}});
                         });
  check_error<DataError>({"column \"x\" has NaN", "may_be_nan"}, [&](unsigned& line) {
    const xt::xarray<double> both = {infinity, nan_value};
    line = __LINE__ + 1;
    ag::Table("halos", {{"x", ag::may_be_infinite(both)}});
  });
  const ag::Table declared("halos", {{"x", ag::may_be_infinite(std::vector{infinity})}});
  CHECK(std::isinf(sum_of_numbers(declared, "x")));
}

TEST_CASE("no rows on any rank") {
  check_error<DataError>({"table \"halos\": expected rows on one rank at least, got none on any"}, [](unsigned& line) {
    line = __LINE__ + 1;
    ag::Table("halos", {{"x", std::vector<double>{}}});
  });
  const ag::Table on_one("halos", {{"x", world().is_root() ? std::vector{2.0} : std::vector<double>{}}});
  CHECK(sum_of_numbers(on_one, "x") == 2.0);
}

TEST_CASE("a file that is missing, or no HDF5") {
  check_error<DataError>({"expected a file 'no_such_file.h5', but there is none", "check the path"},
                         [](unsigned& line) {
                           line = __LINE__ + 1;
                           ag::Table::read("no_such_file.h5");
                         });
  const auto text = std::filesystem::temp_directory_path() / fmt::format("allgrad_text_{}.h5", getpid());
  std::ofstream(text) << "log_mass\n12.5\n";
  check_error<DataError>({"expected an HDF5 file '" + text.string(), "cannot open it", "complete HDF5 file"},
                         [&](unsigned& line) {
                           line = __LINE__ + 1;
                           ag::Table::read(text);
                         });
  std::filesystem::remove(text);
  check_error<DataError>({"expected a file 'no_such_file.h5'"}, [](unsigned& line) {
    line = __LINE__ + 1;
    ag::read_attribute("no_such_file.h5", "volume");
  });
}

TEST_CASE("datasets that are missing, of another type or shape, or of unequal length") {
  TestFile source;
  source.write<double>("log_mass", {12.0, 13.0, 14.0, 11.0});
  source.write<double>("position", {1, 2, 3, 4, 5, 6, 7, 8}, {4, 2});
  source.write<double>("volume", {8.0}, {});
  source.write<double>("bins", {9.0, 10.0});
  source.write_as("name", H5T_C_S1, "abcd", {4});
  const std::string file = source.path();
  const ag::Communicator alone(MPI_COMM_SELF);  // each rank has a file of its own

  const auto check = [&](const std::vector<std::string>& columns, const std::vector<std::string>& parts) {
    check_error<DataError>(parts, [&](unsigned& line) {
      line = __LINE__ + 1;
      ag::Table::read(file, alone, {.columns = columns});
    });
  };
  check({"log_mas"},
        {"expected a dataset 'log_mas' in '" + file + "'", "'bins', 'log_mass', 'name', 'position', 'volume'"});
  check({"log_mass", "name"},
        {"'name'", "column of integers, floating-point numbers or booleans", "holds strings of shape [4]"});
  check({"volume"}, {"'volume'", "floating-point numbers of 64 bits of shape []", "shape [rows] or [rows, ..]"});
  check({"bins", "position"}, {"'bins' has 2 rows and 'position' has 4", "name the columns that belong to one table"});
  check({"log_mass", "bins"}, {"'log_mass' has 4 rows and 'bins' has 2", "name the columns that belong to one table"});
  check({}, {"equal length"});
  check({"log_mass", "log_mass"}, {"two columns are named \"log_mass\""});
  CHECK(ag::Table::read(file, alone, {.columns = {"log_mass"}}).total_rows() == 4);
}

TEST_CASE("infinity in a dataset") {
  const double infinity = std::numeric_limits<double>::infinity();
  const SharedFile source({{"log_mass", std::vector<double>(6, -infinity)}});
  const std::string file = source.path();
  check_error<DataError>(
      {"column \"log_mass\" has -inf", fmt::format("first in row {}", 6 / world().size() * world().rank())},
      [&](unsigned& line) {
        line = __LINE__ + 1;
        ag::Table::read(file, world());
      });
  check_error<DataError>({"may_be_infinite names \"mass\"", "not among the columns read"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::Table::read(file, world(), {.may_be_infinite = {"mass"}});
  });
  CHECK(ag::Table::read(file, world(), {.may_be_infinite = {"log_mass"}}).total_rows() == 6);
}

TEST_CASE("NaN in a dataset") {
  const SharedFile source({{"log_mass", {12.0, 13.0, 14.0, nan_value}}, {"radius", {nan_value, 1.0, 2.0, 3.0}}});
  const std::string file = source.path();

  // log_mass has its NaN in the last rank's rows.
  const std::vector<std::string> parts = {"column \"log_mass\" has NaN",
                                          "first in row 3, counted from 0 over all ranks"};
  const auto read = [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::Table::read(file, world(), {.columns = {"log_mass"}});
  };
  if (world().size() == 1) {
    check_error<DataError>(parts, read);
  } else {
    const Caught error = caught<ag::RankError>([&](unsigned&) {
      unsigned line = 0;
      read(line);
    });
    check_parts(error.text, parts);
    check_parts(error.text, {fmt::format("rank {} of {}: table_errors.cpp:", world().size() - 1, world().size())});
  }
  check_error<DataError>({"may_be_nan names \"mass\"", "not among the columns read"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::Table::read(file, world(), {.may_be_nan = {"log_mass", "mass"}});
  });
  const ag::Table table = ag::Table::read(file, world(), {.may_be_nan = {"log_mass", "radius"}});
  CHECK(sum_of_numbers(table, "log_mass") == Approx(39.0));
  CHECK(sum_of_numbers(table, "radius") == Approx(6.0));
}

}  // namespace test_table_errors
