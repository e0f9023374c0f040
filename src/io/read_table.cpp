#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <xtensor/xadapt.hpp>

#include "allgrad/table.hpp"
#include "comm/call.hpp"
#include "comm/require_same.hpp"
#include "io/file_source.hpp"
#include "io/row_cut.hpp"
#include "io/row_reader.hpp"

namespace allgrad {

namespace {

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

struct RowsThatPass {
  std::size_t count = 0;
  std::vector<std::vector<double>> columns;
};

/// The rows of a share that `where` keeps, read block by block: those that are cut take no memory.
RowsThatPass read_kept(RowReader& reader, const RowShare& share, const std::function<bool(const Row&)>& where) {
  if (!where) return {share.count(), reader.read(share.first, share.count())};
  constexpr std::size_t rows_of_block = std::size_t{1} << 16;
  RowsThatPass all{0, std::vector<std::vector<double>>(reader.columns().size())};
  for (std::size_t first = share.first; first < share.last; first += rows_of_block) {
    const std::size_t count = std::min(rows_of_block, share.last - first);
    std::vector<std::vector<double>> block = reader.read(first, count);
    const std::vector<std::span<double>> values(block.begin(), block.end());
    const std::size_t kept = cut_rows(where, count, reader.columns(), values);
    all.count += kept;
    for (std::size_t i = 0; i < block.size(); ++i) {
      const auto end = block[i].begin() + static_cast<std::ptrdiff_t>(kept * reader.columns()[i].numbers_per_row());
      all.columns[i].insert(all.columns[i].end(), block[i].begin(), end);
    }
  }
  return all;
}

/// Graphs of rows in memory and of others run in different ways. Collective.
void check_stream(const ReadOptions& options, const Communicator& comm, SourceLocation where) {
  require_same(options.stream, comm, Operation("the comparison of options", where), [&] {
    return DivergenceError(fmt::format("expected the same ReadOptions::stream on every rank, got {} on rank {} and "
                                       "other numbers elsewhere; give every rank the same",
                                       options.stream, comm.rank()),
                           where);
  });
  if (options.stream == 0 || !options.where) return;
  throw DataError(
      "expected ReadOptions::where or ReadOptions::stream, got both: rows that stay in the file are read whole; give "
      "rows no weight in the model instead, or write those to keep to a file of their own",
      where);
}

std::shared_ptr<RowStream> stream_of(std::unique_ptr<RowReader> reader, const std::string& table, const RowShare& share,
                                     const ReadOptions& options, SourceLocation where) {
  std::vector<Allowed> allowed;
  std::vector<std::size_t> lanes;
  for (const FileColumn& column : reader->columns()) {
    allowed.push_back(
        {.nan = has(options.may_be_nan, column.name), .infinite = has(options.may_be_infinite, column.name)});
    lanes.push_back(column.numbers_per_row());
  }
  auto source = std::make_unique<FileSource>(std::move(reader), table, share, std::move(allowed), where);
  return std::make_shared<RowStream>(std::move(source), std::move(lanes), share.count(), options.stream);
}

/// [rows, ..].
std::vector<std::size_t> shape_of(const FileColumn& column, std::size_t rows) {
  std::vector<std::size_t> shape = {rows};
  shape.insert(shape.end(), column.lanes.begin(), column.lanes.end());
  return shape;
}

Column with_options(Column column, const FileColumn& read, const ReadOptions& options) {
  column = with_unit(std::move(column), read.unit);
  if (has(options.may_be_nan, read.name)) column = may_be_nan(std::move(column));
  if (has(options.may_be_infinite, read.name)) column = may_be_infinite(std::move(column));
  return column;
}

Table::Columns columns_in_memory(RowReader& reader, const RowShare& share, const ReadOptions& options) {
  auto [rows, values] = read_kept(reader, share, options.where);
  reader.unchanged_stamp();
  Table::Columns columns;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const FileColumn& read = reader.columns()[i];
    Column column =
        read.lanes.empty() ? Column(std::move(values[i])) : Column(xt::adapt(values[i], shape_of(read, rows)));
    columns.emplace_back(read.name, with_options(std::move(column), read, options));
  }
  return columns;
}

}  // namespace

Table Table::read(const std::string& file, Communicator comm, const ReadOptions& options, SourceLocation where) {
  return in_call("Table::read", where, comm, [&] {
    check_stream(options, comm, where);
    const std::string name = std::filesystem::path(file).filename().string();
    std::unique_ptr<RowReader> reader = open_rows(file, options, comm, where);
    const auto load = [&] {
      const RowShare share = share_of_rows(reader->total_rows(), comm);
      if (options.stream == 0) return columns_in_memory(*reader, share, options);
      const std::vector<FileColumn> there = reader->columns();
      const std::shared_ptr<RowStream> stream = stream_of(std::move(reader), name, share, options, where);
      Columns columns;
      for (std::size_t i = 0; i < there.size(); ++i) {
        Column column(stream, i, shape_of(there[i], share.count()));
        columns.emplace_back(there[i].name, with_options(std::move(column), there[i], options));
      }
      return columns;
    };
    return Table(name, load, comm, where);
  });
}

}  // namespace allgrad
