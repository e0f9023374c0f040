// One HDF5 file read by several ranks: the same on all, and what is left out of it.
#include <hdf5.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "fits_test_file.hpp"
#include "hdf5_test_file.hpp"
#include "said.hpp"
#include "shared_file.hpp"
#include "world.hpp"

namespace test_table_files {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

/// This rank's own file halos.h5, gone with this object.
class OwnFile {
 public:
  explicit OwnFile(const std::vector<double>& values) {
    std::filesystem::create_directory(folder_);
    TestFile file;
    file.write("x", values);
    file.write<double>("box", {1.0}, {});
    file.write<double>("position", {1.0, 2.0}, {1, 2});
    std::filesystem::copy(file.path(), path());
    std::filesystem::last_write_time(path(), std::filesystem::file_time_type(std::chrono::seconds(1000)));
  }
  ~OwnFile() { std::filesystem::remove_all(folder_); }

  std::filesystem::path path() const { return folder_ / "halos.h5"; }

 private:
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / fmt::format("allgrad_own_{}", getpid());
};

ag::Table read(const OwnFile& file) { return ag::Table::read(file.path(), world(), {.columns = {"x"}}); }

}  // namespace

TEST_CASE("copies of one file are one file") {
  const OwnFile file({1.0, 2.0, 3.0, 4.0, 5.0});
  CHECK(read(file).total_rows() == 5);
}

TEST_CASE("a file that is longer on one rank is refused on all") {
  const OwnFile file(std::vector<double>(is_culprit() ? 1000 : 900, 1.0));
  check_error<ag::DataError>(
      {"to be the same file on all ranks", "rank 0 read one of 900 rows",
       fmt::format("rank {} one of 1000 rows", world().size() - 1), "when its writer has finished"},
      [&](unsigned& line) {
        line = __LINE__ + 1;
        ag::Table::read(file.path(), world(), {.columns = {"x"}});
      });
}

TEST_CASE("a file of other values in its place is refused on all") {
  const OwnFile file({is_culprit() ? 7.0 : 1.0, 2.0});
  if (is_culprit()) {
    std::filesystem::last_write_time(file.path(), std::filesystem::file_time_type(std::chrono::milliseconds(1000001)));
  }
  CHECK_THROWS_AS(read(file), ag::DataError);
}

TEST_CASE("what is left out of a file is said on the root, once, where no columns are named") {
  const OwnFile file({1.0, 2.0, 3.0});
  Said said;
  read(file);
  CHECK(said.warnings.empty());
  ag::Table::read(file.path(), world());
  if (!world().is_root()) {
    CHECK(said.warnings.empty());
    return;
  }
  REQUIRE(said.warnings.size() == 1);
  check_parts(said.warnings[0],
              {file.path(), "'box' (floating-point numbers of 64 bits of shape [])",
               "'position' (floating-point numbers of 64 bits of shape [1, 2])", "ReadOptions::columns"});
}

TEST_CASE("text that is longer on one rank is refused on all") {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("allgrad_own_{}.csv", getpid());
  std::ofstream(path) << (is_culprit() ? "x\n1\n2\n3\n4\n" : "x\n1\n2\n3\n");
  std::filesystem::last_write_time(path, std::filesystem::file_time_type(std::chrono::seconds(1000)));
  check_error<ag::DataError>({"to be the same file on all ranks"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::Table::read(path, world());
  });
  std::filesystem::remove(path);
}

TEST_CASE("formats are told apart by the first bytes, not by the name; others are refused, and pipes do not wait") {
  const SharedFile fits(".csv", [](const std::string& path) {
    FitsWriter file(path);
    file.table(BINARY_TBL, "", {{"x", "1D"}});
    file.write(TDOUBLE, 1, std::vector{1.0, 2.0});
  });
  CHECK(all_numbers(ag::Table::read(fits.path(), world()), "x") == std::vector{1.0, 2.0});
  const SharedFile hdf5("", [](const std::string& path) {
    TestFile file;
    file.write<double>("x", {1.0, 2.0});
    std::filesystem::copy(file.path(), path);
  });
  CHECK(all_numbers(ag::Table::read(hdf5.path(), world()), "x") == std::vector{1.0, 2.0});

  const auto check_refused = [](const std::string& path, const std::vector<std::string>& parts) {
    check_error<ag::DataError>(parts, [&](unsigned& line) {
      line = __LINE__ + 1;
      ag::Table::read(path, world());
    });
  };
  const SharedText parquet(std::string("PAR1\x15\0\0", 7), ".parquet"), zipped("\x1f\x8b\x08", ".h5");
  check_refused(parquet.path(), {"expected an HDF5 file, a FITS file, or text such as CSV", "begins like none"});
  check_refused(zipped.path(), {"it is compressed", "gunzip"});
  const SharedFile pipe(".csv", [](const std::string& path) { REQUIRE(mkfifo(path.c_str(), 0600) == 0); });
  alarm(60);  // ends a reader that waits for a writer
  check_refused(pipe.path(), {"it is a pipe (FIFO)"});
  alarm(0);
}

namespace {

constexpr std::size_t cut_rows = 150000;  // several blocks of what is read at a time

double mass_of(std::size_t row) { return static_cast<double>((row * 7919) % 1000); }

/// The columns mass, row and pos [rows, 2] in a file of each format.
std::vector<std::unique_ptr<SharedFile>> files_of_each_format() {
  std::vector<double> mass, row, pos;
  for (std::size_t i = 0; i < cut_rows; ++i) {
    mass.push_back(mass_of(i));
    row.push_back(static_cast<double>(i));
    pos.insert(pos.end(), {static_cast<double>(i), -static_cast<double>(i)});
  }
  std::vector<std::unique_ptr<SharedFile>> files;
  files.push_back(std::make_unique<SharedFile>(".h5", [&](const std::string& path) {
    TestFile file;
    file.write("mass", mass);
    file.write("row", row);
    file.write("pos", pos, {cut_rows, 2});
    std::filesystem::copy(file.path(), path);
  }));
  files.push_back(std::make_unique<SharedFile>(".fits", [&](const std::string& path) {
    FitsWriter file(path);
    file.table(BINARY_TBL, "", {{"mass", "1D"}, {"row", "1D"}, {"pos", "2D"}});
    file.write(TDOUBLE, 1, mass);
    file.write(TDOUBLE, 2, row);
    file.write(TDOUBLE, 3, pos);
  }));
  files.push_back(std::make_unique<SharedFile>(".ecsv", [&](const std::string& path) {
    std::ofstream file(path);
    file << "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {name: mass, datatype: float64}\n"
            "# - {name: row, datatype: int64}\n# - {name: pos, datatype: string, subtype: 'float64[2]'}\n"
            "mass,row,pos\n";
    for (std::size_t i = 0; i < cut_rows; ++i) file << fmt::format("{},{},\"[{},{}]\"\n", mass[i], i, i, -double(i));
  }));
  return files;
}

}  // namespace

TEST_CASE("rows are cut where they are read, from all formats") {
  for (const auto& file : files_of_each_format()) {
    INFO(file->path());
    const ag::Table table =
        ag::Table::read(file->path(), world(), {.columns = {"pos", "mass", "row"}, .where = [](const ag::Row& row) {
                                                  return row["mass"] > 900.0 && row("pos", 1) <= -5.0;
                                                }});
    std::vector<double> expected;
    for (std::size_t i = 5; i < cut_rows; ++i) {
      if (mass_of(i) > 900.0) expected.push_back(static_cast<double>(i));
    }
    CHECK(table.total_rows() == expected.size());
    const std::vector<double> row = all_numbers(table, "row"), pos = all_numbers(table, "pos");
    CHECK(row == expected);
    REQUIRE(pos.size() == 2 * row.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
      INFO(i);
      REQUIRE(pos[2 * i] == row[i]);
      REQUIRE(pos[2 * i + 1] == -row[i]);
    }
    const auto counts = world().allgather(table.local_rows());
    std::size_t first = 0;
    for (int rank = 0; rank < world().rank(); ++rank) first += counts[static_cast<std::size_t>(rank)];
    CHECK(table.first_row() == first);
  }
}

TEST_CASE("a cut may leave out what is missing or NaN, keeps none or all, and what it throws is raised on all") {
  const SharedText text("x,y\n1,\n2,5\n,6\nnan,7\n4,8\n");
  const auto has_both = [](const ag::Row& row) { return row["x"] < 10.0 && row["y"] < 10.0; };
  const ag::Table table = ag::Table::read(text.path(), world(), {.where = has_both});
  CHECK(all_numbers(table, "x") == std::vector{2.0, 4.0});
  CHECK(all_numbers(table, "y") == std::vector{5.0, 8.0});
  const auto read = [&](const std::function<bool(const ag::Row&)>& where) {
    return ag::Table::read(text.path(), world(), {.where = where, .may_be_nan = {"x", "y"}});
  };
  CHECK(read([](const ag::Row&) { return true; }).total_rows() == 5);
  CHECK_THROWS_AS(read([](const ag::Row&) { return false; }), ag::DataError);
  CHECK_THROWS_AS(read([](const ag::Row& row) { return row["z"] > 0.0; }), ag::Error);
  CHECK_THROWS_AS(read([](const ag::Row& row) { return row("x", 1) > 0.0; }), ag::Error);
  CHECK_THROWS_AS(read([](const ag::Row& row) -> bool {
                    if (row["y"] == 8.0) throw std::runtime_error("on the rank that has the last row");
                    return true;
                  }),
                  std::exception);
  CHECK(read(nullptr).total_rows() == 5);
}

}  // namespace test_table_files
