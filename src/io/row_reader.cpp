#include "io/row_reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>

#include "allgrad/error.hpp"
#include "base/emit.hpp"
#include "io/file_format.hpp"

namespace allgrad {

std::size_t FileColumn::numbers_per_row() const {
  constexpr std::size_t most = std::size_t{1} << 48;  // more than a process could ever hold
  std::size_t product = 1;
  for (const std::size_t length : lanes) product = length != 0 && product > most / length ? most : product * length;
  return product;
}

RowReader::RowReader(std::string path, SourceLocation where)
    : path_(std::move(path)), where_(where), stamp_(stamp_readable_file(path_, where)) {}

void RowReader::fail(const std::string& message) const { throw DataError(message, where_); }

std::vector<std::vector<double>> RowReader::read(std::uint64_t first, std::size_t count) {
  std::size_t per_row = 0;
  for (const FileColumn& column : columns_) per_row += column.numbers_per_row();
  const std::size_t memory =
      static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGE_SIZE));
  if (count > memory / sizeof(double) / std::max(per_row, std::size_t{1})) {
    const double megabytes = static_cast<double>(count) * static_cast<double>(per_row * sizeof(double)) / 1e6;
    fail(
        fmt::format("expected rows of '{}' that fit into memory, but this rank's share of {} columns is {} rows "
                    "({:.3g} MB) and the machine has {:.3g} MB; check how many rows the file should have, name fewer "
                    "columns or use more ranks",
                    path_, columns_.size(), count, megabytes, static_cast<double>(memory) / 1e6));
  }
  std::vector<std::vector<double>> values;
  for (const FileColumn& column : columns_) values.emplace_back(count * column.numbers_per_row());
  const std::vector<std::span<double>> out(values.begin(), values.end());
  read(first, count, out);
  return values;
}

FileStamp RowReader::unchanged_stamp() const {
  if (stamp_readable_file(path_, where_) != stamp_) {
    fail(
        fmt::format("expected '{}' to stay as it is while it is read, but it was written to; read it when its writer "
                    "has finished",
                    path_));
  }
  return stamp_;
}

namespace {

void check_declared(const char* option, const std::vector<std::string>& names, const RowReader& rows,
                    const ReadOptions& options, SourceLocation where) {
  for (const std::string& name : names) {
    if (std::ranges::any_of(rows.columns(), [&](const FileColumn& column) { return column.name == name; })) continue;
    throw DataError(fmt::format("{}: {} names \"{}\", which is not among the columns read, {}", rows.path(), option,
                                name, options.columns.empty() ? "all that the file has" : "those in columns"),
                    where);
  }
}

/// A file that grows or is replaced between two ranks' reading would lose rows in silence. Collective.
void check_same_file(const RowReader& rows, const Communicator& comm, SourceLocation where) {
  const FileStamp stamp = rows.unchanged_stamp();
  const std::vector<std::uint64_t> totals = comm.allgather(rows.total_rows());
  const std::vector<std::uint64_t> bytes = comm.allgather(stamp.bytes);
  const std::vector<std::uint64_t> times = comm.allgather(stamp.modified);
  for (std::size_t rank = 1; rank < totals.size(); ++rank) {
    if (totals[rank] == totals[0] && bytes[rank] == bytes[0] && times[rank] == times[0]) continue;
    throw DataError(
        fmt::format(
            "expected '{}' to be the same file on all ranks, but rank 0 read one of {} rows, {} bytes, modified "
            "at {} ns, and rank {} one of {} rows, {} bytes, modified at {} ns; read it when its writer has "
            "finished, and where nodes have copies, copy the time of modification too (cp -p, rsync -t)",
            rows.path(), totals[0], bytes[0], times[0], rank, totals[rank], bytes[rank], times[rank]),
        where);
  }
}

std::unique_ptr<RowReader> open_format(const std::string& file, const ReadOptions& options, const Communicator& comm,
                                       SourceLocation where) {
  stamp_readable_file(file, where);
  const FileFormat format = format_of(file, where);
  if (options.stream != 0 && format == FileFormat::text) {
    throw DataError(
        fmt::format("expected an HDF5 or FITS file to read block by block, as ReadOptions::stream asks for, "
                    "got '{}', which is text: numbers would be made of it in each sweep over the rows; "
                    "write the table in one of these formats, or leave the option out",
                    file),
        where);
  }
  switch (format) {
    case FileFormat::hdf5: return open_hdf5_rows(file, options, where);
    case FileFormat::fits: return open_fits_rows(file, options, where);
    default: return open_text_rows(file, options, comm, where);
  }
}

}  // namespace

std::unique_ptr<RowReader> open_rows(const std::string& file, const ReadOptions& options, const Communicator& comm,
                                     SourceLocation where) {
  std::unique_ptr<RowReader> rows = open_format(file, options, comm, where);
  check_declared("may_be_nan", options.may_be_nan, *rows, options, where);
  check_declared("may_be_infinite", options.may_be_infinite, *rows, options, where);
  check_same_file(*rows, comm, where);
  if (comm.is_root() && !rows->left_out().empty()) {
    emit(Severity::warning, fmt::format("'{}' has more than the columns of numbers that are read; left out: {}. "
                                        "Name the columns to read in ReadOptions::columns.",
                                        file, fmt::join(rows->left_out(), ", ")));
  }
  return rows;
}

}  // namespace allgrad
