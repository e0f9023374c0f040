#pragma once

#include <hdf5.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/hdf5_handle.hpp"

namespace allgrad::testing {

inline hid_t native(double) { return H5T_NATIVE_DOUBLE; }
inline hid_t native(float) { return H5T_NATIVE_FLOAT; }
inline hid_t native(std::int32_t) { return H5T_NATIVE_INT32; }
inline hid_t native(std::int64_t) { return H5T_NATIVE_INT64; }
inline hid_t native(std::uint64_t) { return H5T_NATIVE_UINT64; }
inline hid_t native(std::uint8_t) { return H5T_NATIVE_UINT8; }

/// An HDF5 file in the system's folder for temporary files, gone with this object.
class TestFile {
 public:
  /// The number is in its name.
  explicit TestFile(std::uint64_t number = static_cast<std::uint64_t>(getpid()))
      : path_(path_of(number)), handle_(H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose) {
    REQUIRE(handle_);
  }
  ~TestFile() { std::filesystem::remove(path_); }

  static std::filesystem::path path_of(std::uint64_t number) {
    return std::filesystem::temp_directory_path() / ("allgrad_hdf5_" + std::to_string(number) + ".h5");
  }

  template <class T>
  void write(const std::string& name, const std::vector<T>& values, std::vector<hsize_t> shape) {
    write_as(name, native(T{}), values.data(), shape);
  }
  template <class T>
  void write(const std::string& name, const std::vector<T>& values) {
    write(name, values, {values.size()});
  }

  void write_as(const std::string& name, hid_t type, const void* values, const std::vector<hsize_t>& shape) {
    const hdf5::Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
    const hdf5::Handle dataset(
        H5Dcreate2(handle_.get(), name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose);
    REQUIRE(H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  }

  /// A dataset of doubles without a value in it. `chunk` 0 stores it in one piece.
  void claim(const std::string& name, hsize_t rows, hsize_t chunk = 0, const double* fill = nullptr) {
    create(name, rows, [&](hid_t how) {
      if (chunk != 0) H5Pset_chunk(how, 1, &chunk);
      if (fill != nullptr) H5Pset_fill_value(how, H5T_NATIVE_DOUBLE, fill);
    });
  }

  /// A dataset of doubles that are the bytes of another file.
  void external(const std::string& name, hsize_t rows, const std::string& file) {
    create(name, rows, [&](hid_t how) { H5Pset_external(how, file.c_str(), 0, rows * sizeof(double)); });
  }

  /// A dataset of doubles that are those of a dataset in another file.
  void virtual_of(const std::string& name, hsize_t rows, const std::string& file, const std::string& dataset) {
    const hdf5::Handle space(H5Screate_simple(1, &rows, nullptr), H5Sclose);
    create(name, rows,
           [&](hid_t how) { H5Pset_virtual(how, space.get(), file.c_str(), dataset.c_str(), space.get()); });
  }

  /// The first rows of such a dataset.
  void write_first(const std::string& name, const std::vector<double>& values) {
    const hdf5::Handle dataset(H5Dopen2(handle_.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
    const hdf5::Handle in_file(H5Dget_space(dataset.get()), H5Sclose);
    const hsize_t first = 0;
    const hsize_t count = values.size();
    H5Sselect_hyperslab(in_file.get(), H5S_SELECT_SET, &first, nullptr, &count, nullptr);
    const hdf5::Handle in_memory(H5Screate_simple(1, &count, nullptr), H5Sclose);
    REQUIRE(H5Dwrite(dataset.get(), H5T_NATIVE_DOUBLE, in_memory.get(), in_file.get(), H5P_DEFAULT, values.data()) >=
            0);
  }

  void write_attribute(const std::string& name, hid_t type, const void* values, std::vector<hsize_t> shape,
                       const std::string& object = "/") {
    const hdf5::Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
    const hdf5::Handle attribute(H5Acreate_by_name(handle_.get(), object.c_str(), name.c_str(), type, space.get(),
                                                   H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                                 H5Aclose);
    REQUIRE(H5Awrite(attribute.get(), type, values) >= 0);
  }

  /// An attribute of text, of variable length as h5py writes it or of fixed length.
  void write_unit(const std::string& object, const std::string& name, const std::string& unit, bool is_variable) {
    const hdf5::Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(type.get(), is_variable ? H5T_VARIABLE : unit.size());
    H5Tset_cset(type.get(), H5T_CSET_UTF8);
    const char* text = unit.c_str();
    write_attribute(name, type.get(), is_variable ? static_cast<const void*>(&text) : text, {}, object);
  }

  /// A dataset of lines of text.
  void write_text(const std::string& name, const std::vector<std::string>& lines) {
    constexpr std::size_t length = 80;
    const hdf5::Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(type.get(), length);
    std::string bytes;
    for (const std::string& line : lines) bytes += line + std::string(length - line.size(), '\0');
    write_as(name, type.get(), bytes.data(), {lines.size()});
  }

  void create_group(const std::string& name) {
    const hdf5::Handle group(H5Gcreate2(handle_.get(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
    REQUIRE(group);
  }

  hid_t handle() const { return handle_.get(); }

  /// The finished file; nothing can be written after.
  std::string path() {
    REQUIRE(handle_.close());
    return path_.string();
  }

 private:
  template <class Set>
  void create(const std::string& name, hsize_t rows, Set set) {
    const hdf5::Handle space(H5Screate_simple(1, &rows, nullptr), H5Sclose);
    const hdf5::Handle how(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    set(how.get());
    const hdf5::Handle dataset(
        H5Dcreate2(handle_.get(), name.c_str(), H5T_NATIVE_DOUBLE, space.get(), H5P_DEFAULT, how.get(), H5P_DEFAULT),
        H5Dclose);
    REQUIRE(dataset);
  }

  std::filesystem::path path_;
  hdf5::Handle handle_;
};

}  // namespace allgrad::testing
