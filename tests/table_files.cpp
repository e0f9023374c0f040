// One HDF5 file read by several ranks: the same on all, and what is left out of it.
#include <hdf5.h>

#include <chrono>
#include <filesystem>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "hdf5_test_file.hpp"
#include "said.hpp"
#include "world.hpp"

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
