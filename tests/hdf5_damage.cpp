// HDF5 files that are damaged at random: each is refused, or read where the damage hits nothing that is read.
#include <hdf5.h>

#include <array>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "allgrad/allgrad.hpp"
#include "catch.hpp"
#include "damage.hpp"
#include "io/hdf5_handle.hpp"
#include "said.hpp"

namespace test_hdf5_damage {

namespace ag = allgrad;
using ag::hdf5::Handle;
using namespace allgrad::testing;

namespace {

constexpr hsize_t rows = 100;

void write(const Handle& file, const char* name, hid_t type, const void* values, const Handle& how,
           std::vector<hsize_t> shape = {rows}) {
  const Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
  const Handle dataset(H5Dcreate2(file.get(), name, type, space.get(), H5P_DEFAULT, how.get(), H5P_DEFAULT), H5Dclose);
  REQUIRE(H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
}

/// A file with a dataset of each layout, a matrix, a group, a link and an attribute, in the oldest or newest format.
Bytes valid_file(H5F_libver_t format) {
  const std::string path = path_of("valid.h5");
  {
    const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    H5Pset_libver_bounds(access.get(), format, H5F_LIBVER_LATEST);
    const Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose);
    const Handle plain(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    const Handle compact(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_layout(compact.get(), H5D_COMPACT);
    const Handle packed(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    const hsize_t chunk = 16;
    H5Pset_chunk(packed.get(), 1, &chunk);
    H5Pset_shuffle(packed.get());
    H5Pset_deflate(packed.get(), 6);
    H5Pset_fletcher32(packed.get());

    std::vector<double> numbers(rows);
    std::iota(numbers.begin(), numbers.end(), 0.5);
    const std::vector<std::int64_t> ids(numbers.begin(), numbers.end());
    write(file, "contiguous", H5T_NATIVE_DOUBLE, numbers.data(), plain);
    write(file, "compact", H5T_NATIVE_INT64, ids.data(), compact);
    write(file, "packed", H5T_NATIVE_DOUBLE, numbers.data(), packed);
    const Handle record(H5Tcreate(H5T_COMPOUND, 2 * sizeof(double)), H5Tclose);
    H5Tinsert(record.get(), "mass", 0, H5T_NATIVE_DOUBLE);
    H5Tinsert(record.get(), "id", sizeof(double), H5T_NATIVE_INT64);
    write(file, "records", record.get(), ids.data(), plain, {rows / 2});
    write(file, "matrix", H5T_NATIVE_DOUBLE, numbers.data(), plain, {rows / 2, 2});
    const Handle group(H5Gcreate2(file.get(), "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
    write(group, "inner", H5T_NATIVE_INT64, ids.data(), packed);
    H5Lcreate_soft("/group/inner", file.get(), "link", H5P_DEFAULT, H5P_DEFAULT);
    const Handle scalar(H5Screate(H5S_SCALAR), H5Sclose);
    const Handle attribute(H5Acreate2(file.get(), "volume", H5T_NATIVE_DOUBLE, scalar.get(), H5P_DEFAULT, H5P_DEFAULT),
                           H5Aclose);
    REQUIRE(H5Awrite(attribute.get(), H5T_NATIVE_DOUBLE, numbers.data()) >= 0);
  }
  return taken_bytes(path);
}

}  // namespace

// Datasets of a layout each, alone and together; ALLGRAD_DAMAGED_FILES says how many files.
TEST_CASE("damaged files are refused or read") {
  constexpr std::size_t usual = 200;
  const char* wanted = std::getenv("ALLGRAD_DAMAGED_FILES");
  const std::size_t files = wanted == nullptr ? usual : std::stoul(wanted);
  const std::array<Bytes, 2> valid = {valid_file(H5F_LIBVER_EARLIEST), valid_file(H5F_LIBVER_LATEST)};
  const std::vector<std::vector<std::string>> choices = {
      {}, {"contiguous"}, {"compact"}, {"packed"}, {"link"}, {"group/inner", "packed", "compact"}};
  const ag::Communicator alone(MPI_COMM_SELF);
  const Said said;

  std::size_t reads = 0, refusals = 0;
  for (std::size_t number = 0; number < files; ++number) {
    INFO("file " << number);
    Random random(number);
    Bytes bytes = valid[number % valid.size()];
    damage(bytes, random, {64, 512, 2048, bytes.size()});  // most of the structure comes first
    const std::string path = path_of(std::to_string(number) + ".h5");
    write_bytes(path, bytes);
    alarm(60);  // ends a reader that does not come back
    for (const auto& columns : choices) {
      const bool read = succeeds([&] {
        const ag::Table table =
            ag::Table::read(path, alone, {.columns = columns, .may_be_nan = columns, .may_be_infinite = columns});
        CHECK(table.total_rows() > 0);
      });
      ++(read ? reads : refusals);
    }
    ++(succeeds([&] { ag::Table::read(path, alone, {.group = "records", .columns = {"id"}}); }) ? reads : refusals);
    ++(succeeds([&] { ag::read_attribute(path, "volume"); }) ? reads : refusals);
    alarm(0);
    std::filesystem::remove(path);
  }
  INFO(reads << " reads, " << refusals << " refusals");
  CHECK(reads >= files / 10);
  CHECK(refusals >= files / 10);
}

}  // namespace test_hdf5_damage
