#include <algorithm>
#include <filesystem>
#include <xtensor/xadapt.hpp>

#include "allgrad/table.hpp"
#include "comm/call.hpp"
#include "io/row_reader.hpp"

namespace allgrad {

namespace {

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

Table Table::read(const std::string& file, Communicator comm, const ReadOptions& options, SourceLocation where) {
  return in_call("Table::read", where, comm, [&] {
    const std::unique_ptr<RowReader> rows = open_rows(file, options, comm, where);
    const auto load = [&] {
      const RowShare share = share_of_rows(rows->total_rows(), comm);
      std::vector<std::vector<double>> values = rows->read(share.first, share.count());
      rows->unchanged_stamp();
      Columns columns;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const FileColumn& read = rows->columns()[i];
        std::vector<std::size_t> shape = {share.count()};
        shape.insert(shape.end(), read.lanes.begin(), read.lanes.end());
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
