#include <algorithm>
#include <filesystem>
#include <xtensor/xadapt.hpp>

#include "allgrad/table.hpp"
#include "comm/call.hpp"
#include "io/row_cut.hpp"
#include "io/row_reader.hpp"

namespace allgrad {

namespace {

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

struct KeptRows {
  std::size_t count = 0;
  std::vector<std::vector<double>> columns;
};

/// The rows of a share that `where` keeps, read block by block: those that are cut take no memory.
KeptRows read_kept(RowReader& reader, const RowShare& share, const std::function<bool(const Row&)>& where) {
  if (!where) return {share.count(), reader.read(share.first, share.count())};
  constexpr std::size_t rows_of_block = std::size_t{1} << 16;
  KeptRows all{0, std::vector<std::vector<double>>(reader.columns().size())};
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

}  // namespace

Table Table::read(const std::string& file, Communicator comm, const ReadOptions& options, SourceLocation where) {
  return in_call("Table::read", where, comm, [&] {
    const std::unique_ptr<RowReader> reader = open_rows(file, options, comm, where);
    const auto load = [&] {
      auto [rows, values] = read_kept(*reader, share_of_rows(reader->total_rows(), comm), options.where);
      reader->unchanged_stamp();
      Columns columns;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const FileColumn& read = reader->columns()[i];
        std::vector<std::size_t> shape = read.lanes;
        shape.insert(shape.begin(), rows);
        Column column = read.lanes.empty() ? Column(std::move(values[i])) : Column(xt::adapt(values[i], shape));
        column = with_unit(std::move(column), read.unit);
        if (has(options.may_be_nan, read.name)) column = may_be_nan(std::move(column));
        if (has(options.may_be_infinite, read.name)) column = may_be_infinite(std::move(column));
        columns.emplace_back(read.name, std::move(column));
      }
      return columns;
    };
    return Table(std::filesystem::path(file).filename().string(), load, comm, where);
  });
}

}  // namespace allgrad
