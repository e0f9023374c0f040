#include <hdf5.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "hdf5_reading.hpp"
#include "io/hdf5_handle.hpp"

namespace test_hdf5_columns {

using allgrad::read_attribute;
using allgrad::hdf5::Handle;
using namespace allgrad::testing;

namespace {

void check_columns_refused(const std::string& file, const std::vector<std::string>& names,
                           const std::vector<std::string>& parts) {
  check_refused([&] { read_columns(file, {.columns = names}); }, parts);
}

void check_attribute_refused(const std::string& file, const std::string& name, const std::vector<std::string>& parts) {
  check_refused([&] { read_attribute(file, name); }, parts);
}

std::vector<double> counted(std::size_t rows) {
  std::vector<double> values(rows);
  std::iota(values.begin(), values.end(), 0.5);
  return values;
}

}  // namespace

TEST_CASE("rows are dealt out in contiguous parts whose lengths differ by one at most") {
  for (const std::size_t total : {0U, 1U, 2U, 3U, 7U, 8U, 1000U}) {
    TestFile source;
    source.write("x", counted(total));
    const std::string file = source.path();
    for (const int size : {1, 2, 3, 4}) {
      std::vector<double> joined;
      std::size_t previous = total;
      for (int rank = 0; rank < size; ++rank) {
        const auto rows = read_columns(file, {.columns = {"x"}}, rank, size);
        CHECK(rows.total_rows == total);
        CHECK(rows.first_row == joined.size());
        REQUIRE(rows.columns.size() == 1);
        const auto& values = rows.columns[0].values;
        CHECK(values.size() <= previous);
        CHECK(values.size() >= total / static_cast<std::size_t>(size));
        CHECK(values.size() <= total / static_cast<std::size_t>(size) + 1);
        previous = values.size();
        joined.insert(joined.end(), values.begin(), values.end());
      }
      CHECK(joined == counted(total));
    }
  }
}

TEST_CASE("named columns come in the order of the names, from groups too, as double") {
  TestFile source;
  source.create_group("halos");
  source.write<std::int32_t>("halos/id", {-7, 8, 2147483647});
  source.write<float>("z", {0.5F, -1.25F, 3e38F});
  source.write<std::uint8_t>("flag", {0, 1, 255});
  const std::string file = source.path();

  const auto rows = read_columns(file, {.columns = {"z", "halos/id", "flag"}});
  REQUIRE(rows.columns.size() == 3);
  CHECK(rows.columns[0].name == "z");
  CHECK(rows.columns[0].values == std::vector<double>{0.5, -1.25, static_cast<double>(3e38F)});
  CHECK(rows.columns[1].name == "halos/id");
  CHECK(rows.columns[1].values == std::vector<double>{-7, 8, 2147483647});
  CHECK(rows.columns[2].values == std::vector<double>{0, 1, 255});
}

TEST_CASE("without names, all numeric 1-D datasets of the root group are read") {
  TestFile source;
  source.create_group("group");
  source.write<double>("group/inner", {1, 2});
  source.write<double>("matrix", {1, 2, 3, 4}, {2, 2});
  source.write_as("text", H5T_C_S1, "ab", {2});
  source.write<double>("b", {1, 2});
  source.write<std::int32_t>("a", {3, 4});
  REQUIRE(H5Lcreate_soft("/nowhere", source.handle(), "lost", H5P_DEFAULT, H5P_DEFAULT) >= 0);
  const auto rows = read_columns(source.path(), {}, 1, 2);
  REQUIRE(rows.left_out.size() == 3);
  CHECK(rows.left_out[0].starts_with("'lost' (HDF5 cannot open it: "));
  CHECK(rows.left_out[1] == "'matrix' (floating-point numbers of 64 bits of shape [2, 2])");
  CHECK(rows.left_out[2] == "'text' (strings of shape [2])");
  REQUIRE(rows.columns.size() == 2);
  CHECK(rows.columns[0].name == "a");
  CHECK(rows.columns[0].values == std::vector<double>{4});
  CHECK(rows.columns[1].name == "b");
  CHECK(rows.columns[1].values == std::vector<double>{2});
}

TEST_CASE("without names, a file without columns is refused") {
  TestFile source;
  source.write<double>("matrix", {1, 2}, {1, 2});
  check_columns_refused(source.path(), {},
                        {"expected columns in the root group of", "'matrix'", "name the datasets to read"});
}

TEST_CASE("a file that is missing, no HDF5 or incomplete is refused with its name and the cause") {
  check_columns_refused("no_such_file.h5", {"x"},
                        {"expected a file 'no_such_file.h5'", "there is none", "check the path"});

  const auto text = std::filesystem::temp_directory_path() / ("allgrad_text_" + std::to_string(getpid()) + ".csv");
  std::ofstream(text) << "log_mass\n12.5\n";
  check_columns_refused(text.string(), {"log_mass"}, {text.string(), "signature not found"});
  std::filesystem::remove(text);

  TestFile source;
  source.write("x", counted(1000));
  const std::string file = source.path();
  std::filesystem::resize_file(file, 4000);
  check_columns_refused(file, {"x"}, {file, "truncated"});
}

TEST_CASE("what is no regular file is refused before it is opened") {
  const auto folder = std::filesystem::temp_directory_path();
  check_columns_refused(folder.string(), {"x"}, {"'" + folder.string() + "', but it is a directory", "regular file"});
  check_columns_refused("/dev/zero", {"x"}, {"'/dev/zero', but it is a device"});

  const std::string pipe = (folder / ("allgrad_pipe_" + std::to_string(getpid()))).string();
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  alarm(60);  // ends a reader that waits for a writer
  check_columns_refused(pipe, {"x"}, {"'" + pipe + "', but it is a pipe (FIFO)"});
  check_attribute_refused(pipe, "x", {"'" + pipe + "', but it is a pipe (FIFO)"});
  alarm(0);
  std::filesystem::remove(pipe);
}

TEST_CASE("a dataset behind a link or in other files is read from regular files that are there, in full") {
  TestFile raw(static_cast<std::uint64_t>(getpid()) + 1000000);  // any file of some size
  raw.write("x", counted(1000));
  const std::string raw_file = raw.path();
  const auto folder = std::filesystem::temp_directory_path();
  const std::string pipe = (folder / ("allgrad_pipe_" + std::to_string(getpid()))).string();
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);

  TestFile source;
  source.write("x", counted(3));
  source.external("in pipe", 10, pipe);
  source.external("in file", 1000, raw_file);
  source.external("too long", 5000, raw_file);
  source.virtual_of("virtual", 1000, raw_file, "x");
  source.virtual_of("virtual pipe", 1000, pipe, "x");
  source.virtual_of("no file", 1000, "no_such_file.h5", "x");
  source.virtual_of("no dataset", 1000, raw_file, "y");
  for (const auto& [name, target] : {std::pair{"link", raw_file}, std::pair{"pipe", pipe}}) {
    REQUIRE(H5Lcreate_external(target.c_str(), "x", source.handle(), name, H5P_DEFAULT, H5P_DEFAULT) >= 0);
  }
  const std::string file = source.path();

  alarm(60);  // ends a reader that waits for a writer
  const std::string no_regular_file = "'" + pipe + "' is no regular file";
  check_columns_refused(file, {"pipe"}, {"link 'pipe' of '" + file, no_regular_file});
  check_columns_refused(file, {"in pipe"}, {"dataset 'in pipe'", no_regular_file});
  check_columns_refused(file, {"virtual pipe"}, {no_regular_file});
  check_columns_refused(file, {"too long"}, {"'" + raw_file + "' has ", " bytes only"});
  check_columns_refused(file, {"no file"}, {"there is no file 'no_such_file.h5'"});
  check_columns_refused(file, {"no dataset"}, {"there is no dataset 'y' in '" + raw_file});
  alarm(0);
  std::filesystem::remove(pipe);
  CHECK(read_columns(file, {.columns = {"link"}}).columns[0].values == counted(1000));
  CHECK(read_columns(file, {.columns = {"virtual"}}).columns[0].values == counted(1000));
  CHECK(read_columns(file, {.columns = {"in file"}}).total_rows == 1000);
}

TEST_CASE("a file that is empty or that this process may not read is refused") {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("allgrad_empty_" + std::to_string(getpid()))).string();
  std::ofstream(path).close();
  check_columns_refused(path, {"x"}, {"'" + path + "', but it is empty", "writer has finished"});
  std::filesystem::remove(path);

  TestFile source;
  source.write("x", counted(3));
  const std::string file = source.path();
  std::filesystem::permissions(file, std::filesystem::perms::none);
  const uid_t user = geteuid();
  if (user == 0) REQUIRE(seteuid(65534) == 0);  // the superuser may read all
  check_columns_refused(file, {"x"}, {"'" + file + "', but this process may not read it: Permission denied"});
  REQUIRE(seteuid(user) == 0);
}

TEST_CASE("more rows than there are is refused before room is made for them") {
  constexpr hsize_t most = hsize_t{1} << 62;
  const double fill = 1.5;
  TestFile source;
  source.claim("never written", hsize_t{1} << 40);
  source.claim("chunks", most, 1000);
  source.write_first("chunks", counted(2500));
  source.claim("five", 5, 2);
  source.write_first("five", counted(4));
  source.claim("filled", most, 1000, &fill);
  source.claim("three filled", 3, 2, &fill);
  const std::string file = source.path();

  const std::string advice = "write the others too";
  check_columns_refused(
      file, {"never written"},
      {"dataset 'never written' in '" + file + "'", "1099511627776 rows", "(8.8e+06 MB)", "holds 0 of them", advice});
  check_columns_refused(file, {"chunks"}, {"4611686018427387904 rows", "holds 3000 of them", advice});
  check_columns_refused(file, {"five"}, {"claims 5 rows", "holds 4 of them", advice});
  check_columns_refused(file, {"filled"},
                        {file, "4611686018427387904 rows", "fit into memory", "use more ranks", "fewer columns"});
  CHECK(read_columns(file, {.columns = {"three filled"}}).columns[0].values == std::vector<double>{fill, fill, fill});
}

TEST_CASE("integers that double cannot hold are refused, not rounded") {
  constexpr std::int64_t limit = std::int64_t{1} << 53;
  TestFile source;
  source.write<std::int64_t>("held", {limit, -limit, limit + 2, std::int64_t{1} << 62, INT64_MIN});
  source.write<std::int64_t>("id", {1, 2, limit + 1, 3, 4, -limit - 1});
  source.write<std::uint64_t>("hash", {UINT64_MAX - 2047, UINT64_MAX});
  const Handle wide(H5Tcopy(H5T_NATIVE_INT64), H5Tclose);
  REQUIRE(H5Tset_size(wide.get(), 16) >= 0);
  source.write_as("wide", wide.get(), counted(2).data(), {1});
  const std::int64_t number = -limit - 1;
  source.write_attribute("number", H5T_NATIVE_INT64, &number, {});
  const std::string file = source.path();

  CHECK(read_columns(file, {.columns = {"held"}}).columns[0].values ==
        std::vector<double>{9007199254740992.0, -9007199254740992.0, 9007199254740994.0, 4611686018427387904.0,
                            -9223372036854775808.0});
  check_columns_refused(file, {"id"},
                        {"dataset 'id' of '" + file + "'", "element 2 is 9007199254740993",
                         "would become 9007199254740992", "leave it out"});
  check_refused([&] { read_columns(file, {.columns = {"id"}}, 1, 2); }, {"element 5 is -9007199254740993"});
  check_columns_refused(file, {"hash"}, {"element 1 is 18446744073709551615", "become 18446744073709551616"});
  check_columns_refused(file, {"wide"}, {"dataset 'wide'", "integers of 128 bits"});
  check_attribute_refused(file, "number", {"attribute 'number'", "is -9007199254740993"});
}

TEST_CASE("a missing dataset is refused with those that are there") {
  TestFile source;
  source.create_group("group");
  source.write<double>("log_mass", {1, 2});
  source.write<double>("redshift", {1, 2});
  const std::string file = source.path();
  check_columns_refused(
      file, {"log_mass", "logmass"},
      {"expected a dataset 'logmass' in '" + file + "'", "has 'group' (a group), 'log_mass', 'redshift';"});
  check_columns_refused(file, {"none/x"}, {"expected a dataset 'none/x'", "'log_mass', 'redshift'"});
  check_columns_refused(file, {"group"}, {"expected a dataset 'group'", "not a dataset"});
}

TEST_CASE("what is no column of numbers is refused with what it is") {
  TestFile source;
  source.write<double>("matrix", {1, 2, 3, 4, 5, 6}, {2, 3});
  source.write_as("text", H5T_C_S1, "ab", {2});
  source.write<double>("scalar", {1.0}, {});
  const Handle pair(H5Tcreate(H5T_COMPOUND, 16), H5Tclose);
  H5Tinsert(pair.get(), "mass", 0, H5T_NATIVE_DOUBLE);
  H5Tinsert(pair.get(), "size", 8, H5T_NATIVE_DOUBLE);
  source.write_as("records", pair.get(), counted(4).data(), {2});
  const std::string file = source.path();

  const auto matrix = read_columns(file, {.columns = {"matrix"}}, 1, 2).columns[0];  // the second of two rows
  CHECK(matrix.lanes == std::vector<std::size_t>{3});
  CHECK(matrix.values == std::vector<double>{4, 5, 6});
  check_columns_refused(file, {"text"}, {"dataset 'text'", "holds strings of shape [2]"});
  check_columns_refused(file, {"scalar"}, {"dataset 'scalar'", "of shape []"});
  check_columns_refused(file, {"matrix", "records"}, {"dataset 'records'", "holds compound records"});
}

TEST_CASE("booleans as h5py stores them are 0 and 1, other enumerations are no numbers") {
  const auto enumeration = [](std::int8_t other) {
    Handle type(H5Tenum_create(H5T_NATIVE_INT8), H5Tclose);
    const std::int8_t zero = 0;
    H5Tenum_insert(type.get(), "FALSE", &zero);
    H5Tenum_insert(type.get(), "TRUE", &other);
    return type;
  };
  const Handle boolean = enumeration(1), other = enumeration(7);
  const std::vector<std::int8_t> flags = {1, 0, 0, 1, 1, 0, 1, 1, 1, 0, 1};
  TestFile source;
  source.write_as("is_central", boolean.get(), flags.data(), {flags.size()});
  const std::vector<std::int8_t> kinds = {0, 7};
  source.write_as("kind", other.get(), kinds.data(), {kinds.size()});
  const std::string file = source.path();
  std::vector<double> read;
  for (int rank = 0; rank < 2; ++rank) {
    const auto values = read_columns(file, {.columns = {"is_central"}}, rank, 2).columns[0].values;
    read.insert(read.end(), values.begin(), values.end());
  }
  CHECK(read == std::vector<double>(flags.begin(), flags.end()));
  check_columns_refused(file, {"kind"}, {"dataset 'kind'", "holds an enumeration of shape [2]"});
}

TEST_CASE("columns of unequal length are refused with both lengths") {
  TestFile source;
  source.write("long", counted(5));
  source.write("short", counted(4));
  const std::string file = source.path();
  const std::vector<std::string> message = {"'long' has 5 rows", "'short' has 4", file};
  check_columns_refused(file, {"long", "short"}, message);
  check_columns_refused(file, {}, message);
}

TEST_CASE("an error names the caller's line") {
  try {
    read_columns("no_such_file.h5", {}, 0, 1, {"fit.cpp", 12});
    FAIL("nothing was thrown");
  } catch (const allgrad::DataError& error) {
    CHECK(error.where().line == 12);
  }
}

TEST_CASE("a numeric attribute of the root group is read; others are refused") {
  TestFile source;
  const double density = 0.0435;
  const std::int32_t count = 42;
  source.write_attribute("number_density", H5T_NATIVE_DOUBLE, &density, {});
  source.write_attribute("count", H5T_NATIVE_INT32, &count, {1});
  source.write_attribute("source", H5T_C_S1, "T", {});
  source.write_attribute("limits", H5T_NATIVE_DOUBLE, counted(2).data(), {2});
  source.create_group("header");
  source.create_group("header/simulation");
  source.write_attribute("box_size", H5T_NATIVE_DOUBLE, &density, {}, "header/simulation");
  const std::string file = source.path();

  CHECK(read_attribute(file, "number_density") == density);
  CHECK(read_attribute(file, "count") == 42.0);
  CHECK(read_attribute(file, "/count") == 42.0);
  CHECK(read_attribute(file, "header/simulation/box_size") == density);
  check_attribute_refused(file, "header/simulation/h", {"attribute 'h' of 'header/simulation'", "it has 'box_size'"});
  check_attribute_refused(file, "head/h", {"attribute 'h' of the group or dataset 'head'"});
  check_attribute_refused(file, "density",
                          {"expected an attribute 'density'", file, "'count', 'limits', 'number_density', 'source'"});
  check_attribute_refused(file, "source", {"attribute 'source'", "holds strings"});
  check_attribute_refused(file, "limits", {"to be one number", "of shape [2]"});
}

TEST_CASE("reading leaves HDF5's own printing of errors as it was") {
  H5E_auto2_t before = nullptr;
  H5E_auto2_t after = nullptr;
  void* data = nullptr;
  H5Eget_auto2(H5E_DEFAULT, &before, &data);
  REQUIRE(before != nullptr);
  check_columns_refused("no_such_file.h5", {}, {"there is none"});
  H5Eget_auto2(H5E_DEFAULT, &after, &data);
  CHECK(after == before);
}

}  // namespace test_hdf5_columns
