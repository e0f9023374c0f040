#include "io/row_reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>

#include "allgrad/error.hpp"
#include "base/emit.hpp"
#include "base/utf8.hpp"
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

std::vector<std::size_t> RowReader::choose(const std::vector<Candidate>& there, const std::vector<std::string>& names,
                                           const std::string& advice) {
  std::vector<std::size_t> chosen;
  for (const std::string& name : names) {
    const auto found = std::ranges::find(there, name, &Candidate::name);
    if (found == there.end()) {
      std::vector<std::string> all;
      for (const Candidate& column : there) all.push_back(printable(column.name));
      fail(fmt::format("expected a column \"{}\" in '{}', but it has {}; name one that is there", name, path_,
                       fmt::join(all, ", ")));
    }
    chosen.push_back(static_cast<std::size_t>(found - there.begin()));
    check_alone(*found, there, true);
    if (found->no_number.empty()) continue;
    fail(
        fmt::format("expected column \"{}\" of '{}' to hold numbers or booleans, as many in each row, but it has none "
                    "({}); name others",
                    printable(name), path_, found->no_number));
  }
  for (std::size_t i = 0; names.empty() && i < there.size(); ++i) {
    const auto& [name, no_number] = there[i];
    if (!name.empty() && no_number.empty()) {
      check_alone(there[i], there, false);
      chosen.push_back(i);
    } else {
      left_out_.push_back(name.empty() ? fmt::format("column {}, which has no name", i + 1)
                                       : fmt::format("\"{}\" ({})", printable(name), no_number));
    }
  }
  if (!chosen.empty()) return chosen;
  fail(fmt::format("expected columns of numbers in '{}', but it has none: {}; {}", path_, fmt::join(left_out_, ", "),
                   advice));
}

void RowReader::check_alone(const Candidate& column, const std::vector<Candidate>& there, bool are_all_meant) const {
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < there.size(); ++i) {
    if (there[i].name == column.name && (are_all_meant || there[i].no_number.empty())) numbers.push_back(i + 1);
  }
  if (numbers.size() == 1) return;
  fail(fmt::format(
      "expected one column \"{}\" in '{}', but columns {} have that name; give each its own in the file, or "
      "name others in ReadOptions::columns",
      printable(column.name), path_, fmt::join(numbers, " and ")));
}

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
  if (options.stream != 0 && is_compressed(file)) {
    throw DataError(
        fmt::format("expected a file to read block by block, as ReadOptions::stream asks for, got '{}', which is "
                    "compressed and would be unpacked into memory; unpack it by gunzip, or leave the option out",
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
