#include "allgrad/table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "comm/call.hpp"
#include "dsl/column.hpp"

namespace allgrad {

Column::Column(std::shared_ptr<const void> owner, const double* data, std::vector<std::size_t> shape)
    : owner_(std::move(owner)), data_(data), shape_(std::move(shape)) {}

Column::Column(Array&& values) : data_(nullptr), shape_(values.shape().begin(), values.shape().end()) {
  const auto array = std::make_shared<const Array>(std::move(values));
  data_ = array->data();
  owner_ = array;
}

Column::Column(std::vector<double> values) : data_(nullptr), shape_{values.size()} {
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

Column may_be_infinite(Column column) {
  column.may_be_infinite_ = true;
  return column;
}

struct Table::State {
  std::shared_ptr<const RowAxis> rows;
  Columns columns;
  std::vector<bool> are_finite;  ///< of each column, that no rank declares it to be otherwise
};

namespace {

std::vector<std::string> names_of(const Table::Columns& columns) {
  std::vector<std::string> names;
  for (const auto& [name, column] : columns) names.push_back(name);
  return names;
}

std::uint64_t fingerprint_of(const std::string& table, const std::vector<std::string>& names) {
  Fingerprint hash;
  hash.add(std::string_view(table));
  for (const std::string& name : names) hash.add(std::string_view(name));
  return hash.value();
}

[[noreturn]] void refuse(const std::string& table, const std::string& why, SourceLocation where) {
  throw DataError(fmt::format("table \"{}\": {}", table, why), where);
}

/// Number of rows of each column, which have to be the same.
std::size_t common_length(const std::string& table, const std::vector<std::string>& names,
                          const std::vector<std::vector<std::size_t>>& shapes, SourceLocation where) {
  if (names.empty())
    refuse(table, "expected at least one column, got none; a rank without rows has empty columns", where);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::ranges::count(names, names[i]) > 1) {
      refuse(table, fmt::format("two columns are named \"{}\"; give each its own name", names[i]), where);
    }
    if (shapes[i].size() != 1) {
      refuse(table,
             fmt::format("column \"{}\" has shape {}; expected one number per row, shape [rows]; make a column of each "
                         "component",
                         names[i], shapes[i]),
             where);
    }
    if (shapes[i] != shapes[0]) {
      refuse(
          table,
          fmt::format("column \"{}\" has {} rows, but column \"{}\" has {}; all columns of a table have the same rows, "
                      "so give each one number for each of them",
                      names[i], shapes[i][0], names[0], shapes[0][0]),
          where);
    }
  }
  return shapes[0][0];
}

/// For each column, whether no rank declares that it may be NaN or infinite: graphs depend on it.
std::vector<bool> are_finite(const std::vector<bool>& declared, const Communicator& comm, const Operation& operation) {
  Message message(declared.size());
  std::ranges::copy(declared, message.payload().begin());
  comm.allreduce(message, operation);
  std::vector<bool> finite;
  for (const double count : message.payload()) finite.push_back(count == 0.0);
  return finite;
}

/// What a column must not hold unless that is declared.
struct Flaw {
  bool (*is)(double);
  const char* advice;
};

constexpr Flaw nan_flaw = {[](double v) { return std::isnan(v); },
                           "with may_be_nan and replace them with where(isnan(x), 0.0, x)"};
constexpr Flaw infinite_flaw = {[](double v) { return std::isinf(v); },
                                "with may_be_infinite and replace them with where(less(abs(x), 1e308), x, 0.0)"};

void refuse_flaw(const std::string& table, const std::string& column, std::span<const double> values,
                 std::uint64_t first_row, const Flaw& flaw, SourceLocation where) {
  const auto found = std::ranges::find_if(values, flaw.is);
  if (found == values.end()) return;
  refuse(table,
         fmt::format("column \"{}\" has {}, on this rank first in row {}, counted from 0 over all ranks; remove such "
                     "rows, or declare the column {}",
                     column, std::isnan(*found) ? "NaN" : fmt::format("{}", *found),
                     first_row + static_cast<std::uint64_t>(found - values.begin()), flaw.advice),
         where);
}

[[noreturn]] void refuse_inexact(const std::string& table, const std::string& column, const detail::Inexact& inexact,
                                 std::uint64_t first_row, SourceLocation where) {
  refuse(table,
         fmt::format("column \"{}\" has {}, on this rank first in row {}, counted from 0 over all ranks, and no double "
                     "equals it: {}",
                     column, inexact.number, first_row + inexact.place, detail::why_inexact),
         where);
}

}  // namespace

Table::Table(std::string name, Columns columns, Communicator comm, SourceLocation where)
    : Table(
          std::move(name), [&columns] { return std::move(columns); }, std::move(comm), where) {}

Table::Table(std::string name, const std::function<Columns()>& load, Communicator comm, SourceLocation where) {
  in_call("Table", where, comm, [&] {
    const Operation check("the building of a table", where);
    Columns columns = load();
    std::vector<std::vector<std::size_t>> shapes;
    std::vector<bool> declared;
    for (const auto& [column_name, column] : columns) {
      shapes.push_back(column.shape_);
      declared.push_back(column.may_be_nan_ || column.may_be_infinite_);
    }
    const std::size_t local_rows = common_length(name, names_of(columns), shapes, where);

    const std::uint64_t names = fingerprint_of(name, names_of(columns));
    if (comm.first_difference({&names, 1}, check) == 0) {
      refuse(name,
             fmt::format(
                 "ranks make different tables; rank {} makes \"{}\" with the columns {}; make the same tables in the "
                 "same order on every rank, with the same columns in the same order, and no rows where a rank has "
                 "none",
                 comm.rank(), name, names_of(columns)),
             where);
    }

    std::vector<bool> finite = are_finite(declared, comm, check);
    const std::vector<std::uint64_t> counts = comm.allgather(local_rows, check);
    const std::uint64_t total_rows = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    if (total_rows == 0) {
      refuse(name, "expected rows on one rank at least, got none on any; check what the columns are made of", where);
    }
    const std::uint64_t first_row = std::accumulate(counts.begin(), counts.begin() + comm.rank(), std::uint64_t{0});
    comm.guarded(
        [&] {
          for (const auto& [column_name, column] : columns) {
            if (column.inexact_) refuse_inexact(name, column_name, *column.inexact_, first_row, where);
            const std::span values(column.data_, local_rows);
            if (std::ranges::all_of(values, [](double v) { return std::isfinite(v); })) continue;
            if (!column.may_be_nan_) refuse_flaw(name, column_name, values, first_row, nan_flaw, where);
            if (!column.may_be_infinite_) refuse_flaw(name, column_name, values, first_row, infinite_flaw, where);
          }
          auto rows =
              std::make_shared<const RowAxis>(RowAxis{std::move(name), local_rows, first_row, total_rows, comm});
          state_ = std::make_shared<const State>(State{std::move(rows), std::move(columns), std::move(finite)});
        },
        check);
  });
}

Expr Table::operator[](const Name& name) const {
  for (std::size_t i = 0; i < state_->columns.size(); ++i) {
    const auto& [column_name, column] = state_->columns[i];
    if (column_name != name.text) continue;
    return make_node(std::make_shared<const ColumnOperator>(column_name, state_->rows, column.owner_, column.data_,
                                                            state_->are_finite[i]),
                     {}, name.where);
  }
  throw ExpressionError(fmt::format("table \"{}\" has no column \"{}\"; it has {}", state_->rows->table, name.text,
                                    names_of(state_->columns)),
                        name.where);
}

Extent Table::rows() const { return state_->rows; }
const std::string& Table::name() const { return state_->rows->table; }
std::size_t Table::local_rows() const { return state_->rows->local_rows; }
std::size_t Table::first_row() const { return state_->rows->first_row; }
std::size_t Table::total_rows() const { return state_->rows->total_rows; }
const Communicator& Table::communicator() const { return state_->rows->comm; }

}  // namespace allgrad
