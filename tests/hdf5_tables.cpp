// HDF5 groups and datasets of records as tables.
#include <hdf5.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "hdf5_reading.hpp"
#include "io/hdf5_handle.hpp"

namespace test_hdf5_tables {

using allgrad::hdf5::Handle;
using namespace allgrad::testing;

TEST_CASE("a group is a table, with the units of its datasets, in names of either form") {
  TestFile source;
  source.write<double>("other", {1, 2, 3, 4});
  source.create_group("data");
  source.create_group("data/inner");
  source.write<double>("data/mass", {1, 2, 3});
  source.write<double>("data/pos", {1, 2, 3, 4, 5, 6}, {3, 2});
  source.write<double>("data/inner/z", {7, 8, 9});
  source.write_unit("data/mass", "unit", "Msun / littleh", true);
  source.write_unit("data/pos", "Units", "Mpc ", false);
  const std::string file = source.path();
  for (const std::string group : {"/data", "data", "data/"}) {
    const auto rows = read_columns(file, {.group = group});
    REQUIRE(rows.columns.size() == 1);
    CHECK(rows.columns[0].name == "mass");
    CHECK(rows.columns[0].unit == "Msun / littleh");
    CHECK(rows.left_out == std::vector<std::string>{"'pos' (floating-point numbers of 64 bits of shape [3, 2])"});
  }
  const auto rows = read_columns(file, {.group = "/data", .columns = {"inner/z", "pos"}}, 1, 3);
  CHECK(rows.columns[0].values == std::vector<double>{8});
  CHECK(rows.columns[1].values == std::vector<double>{3, 4});
  CHECK(rows.columns[1].unit == "Mpc");
  check_refused([&] { read_columns(file, {.group = "dat"}); }, {"expected a group 'dat' in '" + file + "'"});
  check_refused([&] { read_columns(file, {.group = "data", .columns = {"x"}}); },
                {"dataset 'x' in 'data' of", "'inner' (a group), 'mass', 'pos'"});
  check_refused([&] { read_columns(file, {.group = "data/pos"}); },
                {"'data/pos'", "to be a group or a dataset of records"});
  check_refused([&] { read_columns(file, {.group = "data/inner/z"}); }, {"name the group that it is in"});
}

namespace {

struct Halo {
  double mass;
  std::int64_t id;
  float pos[2];
  std::int8_t is_central;
  char name[4];
};

/// Records of a number, a long integer, an array, a boolean and a text.
Handle record_type() {
  Handle boolean(H5Tenum_create(H5T_NATIVE_INT8), H5Tclose);
  for (const std::int8_t value : {std::int8_t{0}, std::int8_t{1}})
    H5Tenum_insert(boolean.get(), value == 0 ? "FALSE" : "TRUE", &value);
  const hsize_t two = 2;
  const Handle pair(H5Tarray_create2(H5T_NATIVE_FLOAT, 1, &two), H5Tclose);
  const Handle text(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(text.get(), 4);
  Handle type(H5Tcreate(H5T_COMPOUND, sizeof(Halo)), H5Tclose);
  H5Tinsert(type.get(), "mass", offsetof(Halo, mass), H5T_NATIVE_DOUBLE);
  H5Tinsert(type.get(), "id", offsetof(Halo, id), H5T_NATIVE_INT64);
  H5Tinsert(type.get(), "pos", offsetof(Halo, pos), pair.get());
  H5Tinsert(type.get(), "is_central", offsetof(Halo, is_central), boolean.get());
  H5Tinsert(type.get(), "name", offsetof(Halo, name), text.get());
  return type;
}

}  // namespace

TEST_CASE("a dataset of records is a table, whose columns are the members that are numbers") {
  std::vector<Halo> halos;
  for (int i = 0; i < 200000; ++i) {
    halos.push_back(
        {0.5 * i, i - 7, {static_cast<float>(i), static_cast<float>(-i)}, static_cast<std::int8_t>(i % 2), "a"});
  }
  TestFile source;
  source.create_group("group");
  source.write_as("group/halos", record_type().get(), halos.data(), {halos.size()});
  source.write_text("group/halos.__table_column_meta__",
                    {"datatype:", "- {name: mass, unit: Msun, datatype: float64}", "- {name: id, datatype: int64}"});
  const std::string file = source.path();
  const auto rows = read_columns(file, {.group = "group/halos"}, 1, 2);
  REQUIRE(rows.columns.size() == 4);
  CHECK(rows.left_out == std::vector<std::string>{"'name' (strings of shape [200000])"});
  const std::vector<std::string> names = {"mass", "id", "pos", "is_central"};
  for (std::size_t i = 0; i < names.size(); ++i) CHECK(rows.columns[i].name == names[i]);
  CHECK(rows.columns[0].unit == "Msun");
  CHECK(rows.columns[1].unit.empty());
  CHECK(rows.columns[2].lanes == std::vector<std::size_t>{2});
  std::size_t wrong = 0;
  for (std::size_t row = 0; row < 100000; ++row) {
    const Halo& halo = halos[100000 + row];
    wrong += rows.columns[0].values[row] != halo.mass || rows.columns[1].values[row] != static_cast<double>(halo.id) ||
             rows.columns[2].values[2 * row] != halo.pos[0] || rows.columns[2].values[2 * row + 1] != halo.pos[1] ||
             rows.columns[3].values[row] != halo.is_central;
  }
  CHECK(wrong == 0);
  check_refused([&] { read_columns(file, {.group = "group/halos", .columns = {"size"}}); },
                {"member 'size'", "'mass', 'id', 'pos', 'is_central', 'name'"});
  check_refused([&] { read_columns(file, {.group = "group/halos", .columns = {"name"}}); }, {"holds strings"});
}

TEST_CASE("the only dataset of records is the table where no group is named") {
  const std::vector<Halo> halos = {{1.0, (std::int64_t{1} << 53) + 1, {}, 0, ""}, {2.0, 3, {}, 1, ""}};
  TestFile source;
  source.write_as("halos", record_type().get(), halos.data(), {halos.size()});
  source.write<double>("box", {1.0}, {});
  const std::string file = source.path();
  CHECK(read_columns(file, {.columns = {"mass"}}).columns[0].values == std::vector<double>{1, 2});
  check_refused([&] { read_columns(file, {}); }, {"'id' of dataset 'halos'", "element 0 is 9007199254740993"});

  TestFile two(static_cast<std::uint64_t>(getpid()) + 1000000);
  two.write_as("a", record_type().get(), halos.data(), {halos.size()});
  two.write_as("b", record_type().get(), halos.data(), {halos.size()});
  check_refused([&] { read_columns(two.path(), {}); }, {"expected columns in the root group", "'a', 'b'"});
}

}  // namespace test_hdf5_tables
