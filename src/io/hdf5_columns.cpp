#include "io/hdf5_columns.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "allgrad/error.hpp"
#include "allgrad/table.hpp"
#include "io/hdf5_driver.hpp"
#include "io/hdf5_handle.hpp"
#include "io/hdf5_numbers.hpp"
#include "io/hdf5_sources.hpp"

namespace allgrad {
namespace {

using hdf5::Handle;
using hdf5::last_error;

std::string type_name(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_INTEGER: return fmt::format("integers of {} bits", 8 * H5Tget_size(type));
    case H5T_FLOAT: return fmt::format("floating-point numbers of {} bits", 8 * H5Tget_size(type));
    case H5T_STRING: return "strings";
    case H5T_COMPOUND: return "compound records";
    case H5T_ENUM: return "an enumeration";
    case H5T_ARRAY:
    case H5T_VLEN: return "an array in each element";
    default: return "a type that is no number";
  }
}

/// Type and extents of a dataset or an attribute.
struct Content {
  Handle type;
  hssize_t num_elements;
  std::vector<hsize_t> shape;

  Content(Handle datatype, const Handle& dataspace)
      : type(std::move(datatype)), num_elements(H5Sget_simple_extent_npoints(dataspace.get())) {
    shape.resize(static_cast<std::size_t>(std::max(0, H5Sget_simple_extent_ndims(dataspace.get()))));
    H5Sget_simple_extent_dims(dataspace.get(), shape.data(), nullptr);
  }

  bool is_number() const { return hdf5::is_number(type.get()); }
  bool has_rows() const { return is_number() && !shape.empty(); }
  bool is_column() const { return is_number() && shape.size() == 1; }

  /// Numbers in each row, at most as many as a process could ever hold.
  hsize_t lanes() const {
    constexpr hsize_t most = hsize_t{1} << 48;
    hsize_t product = 1;
    for (std::size_t axis = 1; axis < shape.size(); ++axis) {
      if (shape[axis] != 0 && product > most / shape[axis]) return most;
      product *= shape[axis];
    }
    return product;
  }

  std::string str() const { return fmt::format("{} of shape [{}]", type_name(type.get()), fmt::join(shape, ", ")); }
};

/// As people say it; `rows` of a damaged file may be any number.
std::string rows_and_bytes(hsize_t rows, std::size_t columns = 1) {
  const double bytes = static_cast<double>(rows) * static_cast<double>(columns * sizeof(double));
  return fmt::format("{} rows ({:.3g} MB)", rows, bytes / 1e6);
}

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
  File(const std::string& path, SourceLocation where)
      : path_(path), where_(where), stamp_(stamp_readable_file(path, where)), handle_(open()) {}

  std::vector<Dataset> open_columns(const std::vector<std::string>& names) const;
  std::vector<Dataset> find_columns(std::vector<std::string>& left_out) const;
  std::vector<double> read_rows(const Dataset& dataset, hsize_t first, hsize_t count) const;
  double read_attribute(const std::string& name) const;
  void check_lengths(const std::vector<Dataset>& datasets) const;
  void check_memory(hsize_t rows, std::size_t columns) const;
  void check_stored(const Dataset& dataset) const;

  /// The file as it was before and after all that has been read.
  FileStamp unchanged_stamp() const;

 private:
  Handle open() const;
  Dataset open_column(const std::string& name) const;
  std::vector<std::string> links() const;
  std::optional<Dataset> find_dataset(const std::string& name) const;
  std::string datasets_there() const;
  std::string attributes_there() const;
  void check_exact(const std::optional<hdf5::InexactInteger>& inexact, const std::string& what, hsize_t first) const;
  [[noreturn]] void fail(const std::string& message) const { throw DataError(message, where_); }

  hdf5::Quiet quiet_;
  std::string refused_link_;
  Handle link_access_ = hdf5::link_access(refused_link_);
  std::string path_;
  SourceLocation where_;
  FileStamp stamp_;
  Handle handle_;
};

Handle File::open() const {
  const Handle access = hdf5::careful_file_access();
  Handle file(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose);
  if (file) return file;
  const std::string cause = last_error();
  fail(
      fmt::format("expected an HDF5 file '{}', but HDF5 cannot open it: {}; check that it is a complete HDF5 file that "
                  "this process may read",
                  path_, cause));
}

std::vector<std::string> File::links() const {
  hdf5::Names names;
  const auto add = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
    return static_cast<hdf5::Names*>(out)->add(name);
  };
  if (H5Literate(handle_.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names) < 0) {
    const std::string cause = last_error();
    names.take();
    fail(fmt::format("expected to list the root group of '{}', but HDF5 cannot: {}; check that the file is complete",
                     path_, cause));
  }
  return names.take();
}

std::optional<Dataset> File::find_dataset(const std::string& name) const {
  Handle handle(H5Dopen2(handle_.get(), name.c_str(), link_access_.get()), H5Dclose);
  if (!refused_link_.empty()) {
    fail(
        fmt::format("expected a regular file behind the link '{}' of '{}', but {}; mend the link or name other columns",
                    name, path_, refused_link_));
  }
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
  hdf5::Names names;
  const auto add = [](hid_t, const char* name, const H5A_info_t*, void* out) -> herr_t {
    return static_cast<hdf5::Names*>(out)->add(name);
  };
  H5Aiterate2(handle_.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names);
  const std::vector<std::string> found = names.take();
  return found.empty() ? "no attribute in its root group" : fmt::format("'{}'", fmt::join(found, "', '"));
}

Dataset File::open_column(const std::string& name) const {
  auto dataset = find_dataset(name);
  if (!dataset) {
    const std::string cause = last_error();
    if (H5Oexists_by_name(handle_.get(), name.c_str(), link_access_.get()) > 0) {
      fail(
          fmt::format("expected a dataset '{}' in '{}', but HDF5 cannot open it as one: {}; name a dataset, with its "
                      "groups as in 'group/dataset'",
                      name, path_, cause));
    }
    fail(fmt::format("expected a dataset '{}' in '{}', but the file has {}; name one that is there", name, path_,
                     datasets_there()));
  }
  if (!dataset->content.has_rows()) {
    fail(
        fmt::format("expected dataset '{}' in '{}' to be a column of integers or floating-point numbers of shape "
                    "[rows] or [rows, ..], but it holds {}; store each column as a dataset of its own",
                    name, path_, dataset->content.str()));
  }
  return std::move(*dataset);
}

std::vector<Dataset> File::open_columns(const std::vector<std::string>& names) const {
  std::vector<Dataset> datasets;
  for (const std::string& name : names) datasets.push_back(open_column(name));
  return datasets;
}

std::vector<Dataset> File::find_columns(std::vector<std::string>& left_out) const {
  std::vector<Dataset> datasets;
  for (const std::string& name : links()) {
    const Handle object(H5Oopen(handle_.get(), name.c_str(), link_access_.get()), H5Oclose);
    if (object && H5Iget_type(object.get()) != H5I_DATASET) continue;
    auto dataset = find_dataset(name);
    if (!dataset) {
      left_out.push_back(fmt::format("'{}' (HDF5 cannot open it: {})", name, last_error()));
    } else if (!dataset->content.is_column()) {
      left_out.push_back(fmt::format("'{}' ({})", name, dataset->content.str()));
    } else {
      datasets.push_back(std::move(*dataset));
    }
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
    if (other.content.shape[0] == first.content.shape[0]) continue;
    fail(
        fmt::format("expected columns of equal length in '{}', but '{}' has {} rows and '{}' has {}; name the columns "
                    "that belong to one table",
                    path_, first.name, first.content.shape[0], other.name, other.content.shape[0]));
  }
}

void File::check_memory(hsize_t rows, std::size_t columns) const {
  const auto memory = static_cast<hsize_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<hsize_t>(sysconf(_SC_PAGE_SIZE));
  if (rows <= memory / sizeof(double) / columns) return;
  fail(fmt::format(
      "expected rows of '{}' that fit into memory, but this rank's share of {} columns is {} and the machine "
      "has {:.3g} MB; check how many rows the file should have, name fewer columns or use more ranks",
      path_, columns, rows_and_bytes(rows, columns), static_cast<double>(memory) / 1e6));
}

// HDF5 reads what was never written as zeros.
void File::check_stored(const Dataset& dataset) const {
  if (const std::string missing = hdf5::missing_source(dataset.handle.get()); !missing.empty()) {
    fail(fmt::format(
        "expected the values of dataset '{}' in '{}' in the files that it refers to, but {}; put those files "
        "in their place, or name other columns",
        dataset.name, path_, missing));
  }
  const hsize_t rows = dataset.content.shape[0], lanes = dataset.content.lanes();
  if (lanes == 0) return;
  const Handle creation(H5Dget_create_plist(dataset.handle.get()), H5Pclose);
  const H5D_layout_t layout = H5Pget_layout(creation.get());
  H5D_fill_value_t fill = H5D_FILL_VALUE_UNDEFINED;
  H5Pfill_value_defined(creation.get(), &fill);
  const bool may_be_missing = fill == H5D_FILL_VALUE_USER_DEFINED;
  hsize_t stored = rows;
  if (layout == H5D_COMPACT || (layout == H5D_CONTIGUOUS && H5Pget_external_count(creation.get()) == 0)) {
    const hsize_t bytes = H5Dget_storage_size(dataset.handle.get());
    if (bytes > 0 || !may_be_missing)
      stored = bytes / std::max<std::size_t>(1, H5Tget_size(dataset.content.type.get())) / lanes;
  } else if (layout == H5D_CHUNKED && rows > 0 && !may_be_missing) {
    const std::vector<hsize_t>& shape = dataset.content.shape;
    std::vector<hsize_t> lengths(shape.size(), 1);
    hsize_t chunks = 0, chunks_of_row = 1;
    H5Pget_chunk(creation.get(), static_cast<int>(lengths.size()), lengths.data());
    for (hsize_t& length : lengths) length = std::max(length, hsize_t{1});
    for (std::size_t axis = 1; axis < shape.size(); ++axis) chunks_of_row *= (shape[axis] - 1) / lengths[axis] + 1;
    const Handle all(H5Dget_space(dataset.handle.get()), H5Sclose);
    if (H5Dget_num_chunks(dataset.handle.get(), all.get(), &chunks) < 0) {
      const std::string cause = last_error();
      fail(fmt::format(
          "expected to list the chunks of dataset '{}' in '{}', but HDF5 cannot: {}; check that the file is "
          "complete",
          dataset.name, path_, cause));
    }
    if (chunks_of_row == 0) return;  // more than can be counted, which does not fit into memory
    chunks /= chunks_of_row;
    if (chunks <= (rows - 1) / lengths[0]) stored = chunks * lengths[0];
  }
  if (stored >= rows) return;
  fail(fmt::format(
      "expected dataset '{}' in '{}' to be written in full, but it claims {} and the file holds {} of them; "
      "write the others too, or, where they all have one value, set that as the dataset's fill value",
      dataset.name, path_, rows_and_bytes(rows), stored));
}

FileStamp File::unchanged_stamp() const {
  if (stamp_readable_file(path_, where_) != stamp_) {
    fail(
        fmt::format("expected '{}' to stay as it is while it is read, but it was written to; read it when its writer "
                    "has finished",
                    path_));
  }
  return stamp_;
}

void File::check_exact(const std::optional<hdf5::InexactInteger>& inexact, const std::string& what,
                       hsize_t first) const {
  if (!inexact) return;
  fail(
      fmt::format("expected integers that a double is equal to in {} of '{}', but element {} is {}, which would become "
                  "{:.0f}; leave it out, or store it as two numbers, as x / 2^32 and x modulo 2^32",
                  what, path_, first + inexact->index, inexact->value, inexact->nearest));
}

std::vector<double> File::read_rows(const Dataset& dataset, hsize_t first, hsize_t count) const {
  std::vector<hsize_t> start(dataset.content.shape.size(), 0), counts = dataset.content.shape;
  start[0] = first;
  counts[0] = count;
  const hsize_t size = count * dataset.content.lanes();
  std::vector<double> values(size);
  if (size == 0) return values;
  const Handle in_file(H5Dget_space(dataset.handle.get()), H5Sclose);
  const Handle in_memory(H5Screate_simple(1, &size, nullptr), H5Sclose);
  const auto read = [&](hid_t memory_type, void* out) {
    return H5Dread(dataset.handle.get(), memory_type, in_memory.get(), in_file.get(), H5P_DEFAULT, out);
  };
  std::optional<hdf5::InexactInteger> inexact;
  if (H5Sselect_hyperslab(in_file.get(), H5S_SELECT_SET, start.data(), nullptr, counts.data(), nullptr) < 0 ||
      !hdf5::read_numbers(dataset.content.type.get(), read, values, inexact)) {
    const std::string cause = last_error();
    fail(
        fmt::format("expected to read rows [{}, {}) of dataset '{}' in '{}', but HDF5 cannot: {}; check that the file "
                    "is complete and that HDF5 has the filters that it was written with",
                    first, first + count, dataset.name, path_, cause));
  }
  check_exact(inexact, fmt::format("dataset '{}'", dataset.name), first * dataset.content.lanes());
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
  if (!content.is_number() || content.num_elements != 1) {
    fail(fmt::format("expected attribute '{}' of '{}' to be one number, but it holds {}; name an attribute that is one",
                     name, path_, content.str()));
  }
  double value = 0.0;
  std::optional<hdf5::InexactInteger> inexact;
  const auto read = [&](hid_t memory_type, void* out) { return H5Aread(attribute.get(), memory_type, out); };
  if (!hdf5::read_numbers(content.type.get(), read, {&value, 1}, inexact)) {
    const std::string cause = last_error();
    fail(fmt::format("expected to read attribute '{}' of '{}', but HDF5 cannot: {}; check that the file is complete",
                     name, path_, cause));
  }
  check_exact(inexact, fmt::format("attribute '{}'", name), 0);
  return value;
}

}  // namespace

Hdf5Rows read_hdf5_columns(const std::string& file, const std::vector<std::string>& names, int rank, int size,
                           SourceLocation where) {
  const File input(file, where);
  Hdf5Rows rows;
  const std::vector<Dataset> datasets = names.empty() ? input.find_columns(rows.left_out) : input.open_columns(names);
  input.check_lengths(datasets);
  for (const Dataset& dataset : datasets) input.check_stored(dataset);

  const hsize_t total = datasets.front().content.shape[0];
  const RowShare share = share_of_rows(total, rank, size);
  hsize_t lanes = 0;
  for (const Dataset& dataset : datasets) lanes += dataset.content.lanes();
  input.check_memory(share.count(), std::max(lanes, hsize_t{1}));

  rows.total_rows = total;
  rows.first_row = share.first;
  for (const Dataset& dataset : datasets) {
    const std::vector<hsize_t>& shape = dataset.content.shape;
    rows.columns.push_back({dataset.name, {share.count()}, input.read_rows(dataset, share.first, share.count())});
    rows.columns.back().shape.insert(rows.columns.back().shape.end(), shape.begin() + 1, shape.end());
  }
  rows.stamp = input.unchanged_stamp();
  return rows;
}

double read_hdf5_attribute(const std::string& file, const std::string& name, SourceLocation where) {
  return File(file, where).read_attribute(name);
}

}  // namespace allgrad
