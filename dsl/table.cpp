#include "allgrad/table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "allgrad/error.hpp"
#include "dsl/column.hpp"
#include "dsl/hdf5_columns.hpp"
#include "graph/fingerprint.hpp"

namespace allgrad {

Column::Column(std::shared_ptr<const void> owner, const double* data, std::vector<std::size_t> shape)
    : owner_(std::move(owner)), data_(data), shape_(std::move(shape)) {}

Column::Column(Array&& values) : data_(nullptr), shape_(values.shape().begin(), values.shape().end()) {
  const auto array = std::make_shared<const Array>(std::move(values));
  data_ = array->data();
  owner_ = array;
}

Column::Column(std::vector<double>&& values) : data_(nullptr), shape_{values.size()} {
  const auto vector = std::make_shared<const std::vector<double>>(std::move(values));
  data_ = vector->data();
  owner_ = vector;
}

Column borrow(const Array& values) {
  return Column(nullptr, values.data(), std::vector<std::size_t>(values.shape().begin(), values.shape().end()));
}

Column may_be_nan(Column column) {
  column.may_be_nan_ = true;
  return column;
}

struct Table::State {
  std::shared_ptr<const RowAxis> rows;
  Columns columns;
  Communicator comm;
};

namespace {

std::vector<std::string> names_of(const Table::Columns& columns) {
  std::vector<std::string> names;
  for (const auto& [name, column] : columns) names.push_back(name);
  return names;
}

std::uint64_t fingerprint_of(const std::vector<std::string>& names) {
  Fingerprint hash;
  for (const std::string& name : names) hash.add(std::string_view(name));
  return hash.value();
}

/// Number of rows of each column, which have to be the same.
std::size_t common_length(const std::string& table, const std::vector<std::string>& names,
                          const std::vector<std::vector<std::size_t>>& shapes) {
  if (names.empty()) throw DataError(fmt::format("table \"{}\": expected at least one column, got none", table));
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::ranges::count(names, names[i]) > 1) {
      throw DataError(fmt::format("table \"{}\": two columns are named \"{}\"; give each its own name", table, names[i]));
    }
    if (shapes[i].size() != 1) {
      throw DataError(
          fmt::format("table \"{}\": column \"{}\" has shape {}; expected one number per row, shape [rows]; make a "
                      "column of each component",
                      table, names[i], shapes[i]));
    }
    if (shapes[i] != shapes[0]) {
      throw DataError(fmt::format("table \"{}\": column \"{}\" has {} rows, but column \"{}\" has {}; all columns of a "
                                  "table have the same rows",
                                  table, names[i], shapes[i][0], names[0], shapes[0][0]));
    }
  }
  return shapes[0][0];
}

void refuse_nan(const std::string& table, const std::string& name, std::span<const double> values, bool declared) {
  if (declared) return;
  const auto nan = std::ranges::find_if(values, [](double v) { return std::isnan(v); });
  if (nan == values.end()) return;
  throw DataError(fmt::format("table \"{}\": column \"{}\" has NaN, first in row {} of this rank; remove these rows, or "
                              "declare it with may_be_nan and mask them with where",
                              table, name, nan - values.begin()));
}

}  // namespace

Table::Table(std::string name, Columns columns, Communicator comm)
    : Table(std::move(name), [&columns] { return std::move(columns); }, std::move(comm)) {}

Table::Table(std::string name, const std::function<Columns()>& load, Communicator comm) {
  std::size_t local_rows = 0;
  Columns columns = comm.guarded([&] {
    Columns loaded = load();
    std::vector<std::vector<std::size_t>> shapes;
    for (const auto& [column_name, column] : loaded) shapes.push_back(column.shape_);
    local_rows = common_length(name, names_of(loaded), shapes);
    for (const auto& [column_name, column] : loaded) {
      refuse_nan(name, column_name, {column.data_, local_rows}, column.may_be_nan_);
    }
    return loaded;
  });

  const std::uint64_t names = fingerprint_of(names_of(columns));
  if (comm.first_difference({&names, 1}) == 0) {
    throw DataError(fmt::format("table \"{}\": ranks have different columns; rank {} has {}; give every rank the same "
                                "columns in the same order, with no rows where it has none",
                                name, comm.rank(), names_of(columns)));
  }

  const std::vector<std::uint64_t> counts = comm.allgather(local_rows);
  const auto here = counts.begin() + comm.rank();
  auto rows = std::make_shared<const RowAxis>(
      RowAxis{std::move(name), local_rows, std::accumulate(counts.begin(), here, std::uint64_t{0}),
              std::accumulate(counts.begin(), counts.end(), std::uint64_t{0})});
  state_ = std::make_shared<const State>(State{std::move(rows), std::move(columns), std::move(comm)});
}

Table Table::from_hdf5(const std::string& file, Communicator comm, const Hdf5Options& options,
                       SourceLocation where) {
  const auto load = [&] {
    Hdf5Rows rows = read_hdf5_columns(file, options.columns, comm.rank(), comm.size(), where);
    for (const std::string& name : options.may_be_nan) {
      if (std::ranges::none_of(rows.columns, [&](const Hdf5Column& c) { return c.name == name; })) {
        throw DataError(fmt::format("{}: may_be_nan names \"{}\", which is not among the columns read", file, name), where);
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
  return Table(file, load, comm);
}

Expr Table::operator[](const ColumnName& name) const {
  for (const auto& [column_name, column] : state_->columns) {
    if (column_name != name.name) continue;
    return make_node(std::make_shared<const ColumnOperator>(column_name, state_->rows, column.owner_, column.data_,
                                                            state_->comm),
                     {}, name.where);
  }
  throw ExpressionError(fmt::format("table \"{}\" has no column \"{}\"; it has {}", state_->rows->table, name.name,
                                    names_of(state_->columns)),
                        name.where);
}

const std::string& Table::name() const { return state_->rows->table; }
std::size_t Table::local_rows() const { return state_->rows->local_rows; }
std::size_t Table::first_row() const { return state_->rows->first_row; }
std::size_t Table::total_rows() const { return state_->rows->total_rows; }
const Communicator& Table::communicator() const { return state_->comm; }

}  // namespace allgrad
