#include "io/hdf5_stored.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "io/hdf5_sources.hpp"
#include "io/row_reader.hpp"

namespace allgrad::hdf5 {

namespace {

/// As people say it; those of a damaged file may be any numbers.
std::string rows_and_bytes(hsize_t rows, hsize_t lanes) {
  const double bytes = static_cast<double>(rows) * static_cast<double>(lanes) * static_cast<double>(sizeof(double));
  return fmt::format("{} rows ({:.3g} MB)", rows, bytes / 1e6);
}

}  // namespace

void check_stored(const File& file, const Dataset& dataset) {
  if (const std::string missing = missing_source(dataset.handle.get()); !missing.empty()) {
    file.fail(fmt::format(
        "expected the values of dataset '{}' in '{}' in the files that it refers to, but {}; put those files "
        "in their place, or name other columns",
        dataset.name, file.path(), missing));
  }
  const std::vector<hsize_t>& shape = dataset.content.shape;
  const hsize_t rows = shape[0], lanes = FileColumn{"", {shape.begin() + 1, shape.end()}}.numbers_per_row();
  if (lanes == 0) return;
  const Handle creation(H5Dget_create_plist(dataset.handle.get()), H5Pclose);
  const H5D_layout_t layout = H5Pget_layout(creation.get());
  H5D_fill_value_t fill = H5D_FILL_VALUE_UNDEFINED;
  H5Pfill_value_defined(creation.get(), &fill);
  const bool may_be_missing = fill == H5D_FILL_VALUE_USER_DEFINED;
  hsize_t stored = rows;
  if (layout == H5D_COMPACT || (layout == H5D_CONTIGUOUS && H5Pget_external_count(creation.get()) == 0)) {
    const hsize_t bytes = H5Dget_storage_size(dataset.handle.get());
    if (bytes > 0 || !may_be_missing) {
      stored = bytes / std::max<std::size_t>(1, H5Tget_size(dataset.content.type.get())) / lanes;
    }
  } else if (layout == H5D_CHUNKED && rows > 0 && !may_be_missing) {
    std::vector<hsize_t> lengths(shape.size(), 1);
    hsize_t chunks = 0, chunks_of_row = 1;
    H5Pget_chunk(creation.get(), static_cast<int>(lengths.size()), lengths.data());
    for (hsize_t& length : lengths) length = std::max(length, hsize_t{1});
    for (std::size_t axis = 1; axis < shape.size(); ++axis) chunks_of_row *= (shape[axis] - 1) / lengths[axis] + 1;
    const Handle all(H5Dget_space(dataset.handle.get()), H5Sclose);
    if (H5Dget_num_chunks(dataset.handle.get(), all.get(), &chunks) < 0) {
      const std::string cause = last_error();
      file.fail(fmt::format(
          "expected to list the chunks of dataset '{}' in '{}', but HDF5 cannot: {}; check that the file is "
          "complete",
          dataset.name, file.path(), cause));
    }
    if (chunks_of_row == 0) return;  // more than can be counted, which does not fit into memory
    chunks /= chunks_of_row;
    if (chunks <= (rows - 1) / lengths[0]) stored = chunks * lengths[0];
  }
  if (stored >= rows) return;
  file.fail(fmt::format(
      "expected dataset '{}' in '{}' to be written in full, but it claims {} and the file holds {} of them; "
      "write the others too, or, where they all have one value, set that as the dataset's fill value",
      dataset.name, file.path(), rows_and_bytes(rows, lanes), stored));
}

}  // namespace allgrad::hdf5
