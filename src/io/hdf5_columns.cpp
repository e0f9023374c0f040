#include "io/hdf5_columns.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "allgrad/error.hpp"
#include "io/hdf5_handle.hpp"

namespace allgrad {
namespace {

using hdf5::Handle;
using hdf5::last_error;

bool is_number(H5T_class_t type) { return type == H5T_INTEGER || type == H5T_FLOAT; }

const char* type_name(H5T_class_t type) {
  switch (type) {
    case H5T_INTEGER: return "integers";
    case H5T_FLOAT: return "floating-point numbers";
    case H5T_STRING: return "strings";
    case H5T_COMPOUND: return "compound records";
    case H5T_ENUM: return "an enumeration (as h5py stores booleans)";
    case H5T_ARRAY:
    case H5T_VLEN: return "an array in each element";
    default: return "a type that is no number";
  }
}

/// Type and extents of a dataset or an attribute.
struct Content {
  H5T_class_t type;
  hssize_t num_elements;
  std::vector<hsize_t> shape;

  Content(const Handle& datatype, const Handle& dataspace)
      : type(H5Tget_class(datatype.get())), num_elements(H5Sget_simple_extent_npoints(dataspace.get())) {
    shape.resize(static_cast<std::size_t>(std::max(0, H5Sget_simple_extent_ndims(dataspace.get()))));
    H5Sget_simple_extent_dims(dataspace.get(), shape.data(), nullptr);
  }

  bool is_column() const { return is_number(type) && shape.size() == 1; }

  std::string str() const { return fmt::format("{} of shape [{}]", type_name(type), fmt::join(shape, ", ")); }
};

struct Dataset {
  std::string name;
  Handle handle;
  Content content;

  Dataset(std::string name_, Handle handle_)
      : name(std::move(name_)),
        handle(std::move(handle_)),
        content({H5Dget_type(handle.get()), H5Tclose}, {H5Dget_space(handle.get()), H5Sclose}) {}
};

/// A file open for reading, and the caller's line for what goes wrong in it.
class File {
 public:
  File(const std::string& path, SourceLocation where) : path_(path), where_(where), handle_(open()) {}

  std::vector<Dataset> open_columns(const std::vector<std::string>& names) const;
  std::vector<double> read_rows(const Dataset& dataset, hsize_t first, hsize_t count) const;
  double read_attribute(const std::string& name) const;
  void check_lengths(const std::vector<Dataset>& datasets) const;

 private:
  Handle open() const;
  Dataset open_column(const std::string& name) const;
  std::vector<std::string> links() const;
  std::optional<Dataset> find_dataset(const std::string& name) const;
  std::string datasets_there() const;
  std::string attributes_there() const;
  [[noreturn]] void fail(const std::string& message) const { throw DataError(message, where_); }

  hdf5::Quiet quiet_;
  std::string path_;
  SourceLocation where_;
  Handle handle_;
};

Handle File::open() const {
  Handle file(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (file) return file;
  const std::string cause = last_error();
  if (std::error_code error; !std::filesystem::exists(path_, error) && !error) {
    fail(fmt::format("expected an HDF5 file '{}', but there is none; check the path (this process runs in '{}')", path_,
                     std::filesystem::current_path(error).string()));
  }
  fail(
      fmt::format("expected an HDF5 file '{}', but HDF5 cannot open it: {}; check that it is a complete HDF5 file that "
                  "this process may read",
                  path_, cause));
}

std::vector<std::string> File::links() const {
  std::vector<std::string> names;
  const auto append = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  H5Literate(handle_.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, append, &names);
  return names;
}

std::optional<Dataset> File::find_dataset(const std::string& name) const {
  Handle handle(H5Dopen2(handle_.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!handle) return std::nullopt;
  return Dataset(name, std::move(handle));
}

std::string File::datasets_there() const {
  std::vector<std::string> found;
  for (const std::string& name : links()) {
    if (const auto dataset = find_dataset(name)) found.push_back(fmt::format("'{}'", name));
  }
  return found.empty() ? "no dataset in its root group" : fmt::format("{}", fmt::join(found, ", "));
}

std::string File::attributes_there() const {
  std::vector<std::string> found;
  const auto append = [](hid_t, const char* name, const H5A_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->push_back(fmt::format("'{}'", name));
    return 0;
  };
  H5Aiterate2(handle_.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, append, &found);
  return found.empty() ? "no attribute in its root group" : fmt::format("{}", fmt::join(found, ", "));
}

Dataset File::open_column(const std::string& name) const {
  auto dataset = find_dataset(name);
  if (!dataset) {
    const std::string cause = last_error();
    if (H5Oexists_by_name(handle_.get(), name.c_str(), H5P_DEFAULT) > 0) {
      fail(
          fmt::format("expected a dataset '{}' in '{}', but HDF5 cannot open it as one: {}; name a dataset, with its "
                      "groups as in 'group/dataset'",
                      name, path_, cause));
    }
    fail(fmt::format("expected a dataset '{}' in '{}', but the file has {}; name one that is there", name, path_,
                     datasets_there()));
  }
  if (!dataset->content.is_column()) {
    fail(
        fmt::format("expected dataset '{}' in '{}' to be a column of integers or floating-point numbers of shape "
                    "[rows], but it holds {}; store each column as a dataset of its own",
                    name, path_, dataset->content.str()));
  }
  return std::move(*dataset);
}

std::vector<Dataset> File::open_columns(const std::vector<std::string>& names) const {
  std::vector<Dataset> datasets;
  if (!names.empty()) {
    for (const std::string& name : names) datasets.push_back(open_column(name));
    return datasets;
  }
  for (const std::string& name : links()) {
    auto dataset = find_dataset(name);
    if (dataset && dataset->content.is_column()) datasets.push_back(std::move(*dataset));
  }
  if (datasets.empty()) {
    fail(
        fmt::format("expected columns in the root group of '{}', datasets of numbers of shape [rows], but the file has "
                    "{}; name the datasets to read",
                    path_, datasets_there()));
  }
  return datasets;
}

void File::check_lengths(const std::vector<Dataset>& datasets) const {
  const Dataset& first = datasets.front();
  for (const Dataset& other : datasets) {
    if (other.content.shape == first.content.shape) continue;
    fail(
        fmt::format("expected columns of equal length in '{}', but '{}' has {} rows and '{}' has {}; name the columns "
                    "that belong to one table",
                    path_, first.name, first.content.shape[0], other.name, other.content.shape[0]));
  }
}

std::vector<double> File::read_rows(const Dataset& dataset, hsize_t first, hsize_t count) const {
  std::vector<double> values(count);
  if (count == 0) return values;
  const Handle in_file(H5Dget_space(dataset.handle.get()), H5Sclose);
  const Handle in_memory(H5Screate_simple(1, &count, nullptr), H5Sclose);
  if (H5Sselect_hyperslab(in_file.get(), H5S_SELECT_SET, &first, nullptr, &count, nullptr) < 0 ||
      H5Dread(dataset.handle.get(), H5T_NATIVE_DOUBLE, in_memory.get(), in_file.get(), H5P_DEFAULT, values.data()) <
          0) {
    const std::string cause = last_error();
    fail(
        fmt::format("expected to read rows [{}, {}) of dataset '{}' in '{}', but HDF5 cannot: {}; check that the file "
                    "is complete and that HDF5 has the filters that it was written with",
                    first, first + count, dataset.name, path_, cause));
  }
  return values;
}

double File::read_attribute(const std::string& name) const {
  const Handle attribute(H5Aopen(handle_.get(), name.c_str(), H5P_DEFAULT), H5Aclose);
  if (!attribute) {
    fail(
        fmt::format("expected an attribute '{}' in the root group of '{}', but the file has {}; name one that is there",
                    name, path_, attributes_there()));
  }
  const Content content({H5Aget_type(attribute.get()), H5Tclose}, {H5Aget_space(attribute.get()), H5Sclose});
  if (!is_number(content.type) || content.num_elements != 1) {
    fail(fmt::format("expected attribute '{}' of '{}' to be one number, but it holds {}; name an attribute that is one",
                     name, path_, content.str()));
  }
  double value = 0.0;
  if (H5Aread(attribute.get(), H5T_NATIVE_DOUBLE, &value) < 0) {
    const std::string cause = last_error();
    fail(fmt::format("expected to read attribute '{}' of '{}', but HDF5 cannot: {}; check that the file is complete",
                     name, path_, cause));
  }
  return value;
}

}  // namespace

Hdf5Rows read_hdf5_columns(const std::string& file, const std::vector<std::string>& names, int rank, int size,
                           SourceLocation where) {
  const File input(file, where);
  const std::vector<Dataset> datasets = input.open_columns(names);
  input.check_lengths(datasets);

  const hsize_t total = datasets.front().content.shape[0];
  const auto index = static_cast<hsize_t>(rank);
  const auto parts = static_cast<hsize_t>(size);
  const hsize_t larger = total % parts;  // this many ranks get one row more
  const hsize_t first = index * (total / parts) + std::min(index, larger);
  const hsize_t count = total / parts + (index < larger ? 1 : 0);

  Hdf5Rows rows{.columns = {}, .total_rows = total, .first_row = first};
  for (const Dataset& dataset : datasets) {
    rows.columns.push_back({dataset.name, input.read_rows(dataset, first, count)});
  }
  return rows;
}

double read_hdf5_attribute(const std::string& file, const std::string& name, SourceLocation where) {
  return File(file, where).read_attribute(name);
}

}  // namespace allgrad
