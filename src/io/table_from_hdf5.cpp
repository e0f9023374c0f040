#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "allgrad/error.hpp"
#include "allgrad/table.hpp"
#include "io/hdf5_columns.hpp"

namespace allgrad {

Table Table::from_hdf5(const std::string& file, Communicator comm, const Hdf5Options& options, SourceLocation where) {
  const auto load = [&] {
    Hdf5Rows rows = read_hdf5_columns(file, options.columns, comm.rank(), comm.size(), where);
    for (const std::string& name : options.may_be_nan) {
      if (std::ranges::none_of(rows.columns, [&](const Hdf5Column& c) { return c.name == name; })) {
        throw DataError(fmt::format("{}: may_be_nan names \"{}\", which is not among the columns read, {}", file, name,
                                    options.columns.empty() ? "those of the root group" : "those in columns"),
                        where);
      }
    }
    Columns columns;
    for (Hdf5Column& read : rows.columns) {
      Column column(std::move(read.values));
      const bool declared = std::ranges::find(options.may_be_nan, read.name) != options.may_be_nan.end();
      columns.emplace_back(read.name, declared ? may_be_nan(std::move(column)) : std::move(column));
    }
    return columns;
  };
  return Table(std::filesystem::path(file).filename().string(), load, comm, where);
}

}  // namespace allgrad
