#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <xtensor/xadapt.hpp>

#include "allgrad/error.hpp"
#include "allgrad/table.hpp"
#include "base/emit.hpp"
#include "comm/call.hpp"
#include "io/hdf5_columns.hpp"

namespace allgrad {

namespace {

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

void check_declared(const char* option, const std::vector<std::string>& names, const Hdf5Rows& rows,
                    const std::string& file, const ReadOptions& options, SourceLocation where) {
  for (const std::string& name : names) {
    if (std::ranges::any_of(rows.columns, [&](const Hdf5Column& column) { return column.name == name; })) continue;
    throw DataError(fmt::format("{}: {} names \"{}\", which is not among the columns read, {}", file, option, name,
                                options.columns.empty() ? "those of the root group" : "those in columns"),
                    where);
  }
}

/// A file that grows or is replaced between two ranks' reading would lose rows in silence. Collective.
void check_same_file(const std::string& file, const Hdf5Rows& rows, const Communicator& comm, SourceLocation where) {
  const std::vector<std::uint64_t> totals = comm.allgather(rows.total_rows);
  const std::vector<std::uint64_t> bytes = comm.allgather(rows.stamp.bytes);
  const std::vector<std::uint64_t> times = comm.allgather(rows.stamp.modified);
  for (std::size_t rank = 1; rank < totals.size(); ++rank) {
    if (totals[rank] == totals[0] && bytes[rank] == bytes[0] && times[rank] == times[0]) continue;
    throw DataError(
        fmt::format(
            "expected '{}' to be the same file on all ranks, but rank 0 read one of {} rows, {} bytes, modified "
            "at {} ns, and rank {} one of {} rows, {} bytes, modified at {} ns; read it when its writer has "
            "finished, and where nodes have copies, copy the time of modification too (cp -p, rsync -t)",
            file, totals[0], bytes[0], times[0], rank, totals[rank], bytes[rank], times[rank]),
        where);
  }
}

}  // namespace

Table Table::read(const std::string& file, Communicator comm, const ReadOptions& options, SourceLocation where) {
  return in_call("Table::read", where, comm, [&] {
    Hdf5Rows rows = comm.guarded([&] {
      Hdf5Rows read = read_hdf5_columns(file, options.columns, comm.rank(), comm.size(), where);
      check_declared("may_be_nan", options.may_be_nan, read, file, options, where);
      check_declared("may_be_infinite", options.may_be_infinite, read, file, options, where);
      return read;
    });
    check_same_file(file, rows, comm, where);
    if (comm.is_root() && !rows.left_out.empty()) {
      emit(
          Severity::warning,
          fmt::format("'{}' has datasets that are no columns of numbers of shape [rows] and are left out: {}. Name the "
                      "columns to read in ReadOptions::columns.",
                      file, fmt::join(rows.left_out, ", ")));
    }
    Columns columns;
    for (Hdf5Column& read : rows.columns) {
      Column column(xt::adapt(read.values, read.shape));
      if (has(options.may_be_nan, read.name)) column = may_be_nan(std::move(column));
      if (has(options.may_be_infinite, read.name)) column = may_be_infinite(std::move(column));
      columns.emplace_back(read.name, std::move(column));
    }
    return Table(std::filesystem::path(file).filename().string(), std::move(columns), comm, where);
  });
}

}  // namespace allgrad
