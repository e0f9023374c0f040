#include "allgrad/table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "base/utf8.hpp"
#include "comm/call.hpp"
#include "dsl/checked_columns.hpp"
#include "dsl/column.hpp"
#include "dsl/row_count.hpp"

namespace allgrad {

Column::Column(std::shared_ptr<const void> owner, const double* data, std::vector<std::size_t> shape)
    : owner_(std::move(owner)), data_(data), shape_(std::move(shape)) {}

Column::Column(std::shared_ptr<RowStream> stream, std::size_t in_stream, std::vector<std::size_t> shape)
    : data_(nullptr), shape_(std::move(shape)), stream_(std::move(stream)), in_stream_(in_stream) {}

Column::Column(Array&& values) : data_(nullptr), shape_(values.shape().begin(), values.shape().end()) {
  if (shape_.empty()) return;  // refused by the table
  const RowNumbers numbers = owned(std::move(values));
  owner_ = numbers.owner;
  data_ = numbers.data;
}

Column::Column(std::vector<double> values) : data_(nullptr), shape_{values.size()} {
  const auto vector = std::make_shared<const std::vector<double>>(std::move(values));
  data_ = vector->data();
  owner_ = vector;
}

Column borrow(std::span<const double> values) { return Column(nullptr, values.data(), {values.size()}); }

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

Column with_unit(Column column, const std::string& unit) {
  column.unit_ = printable(unit);
  return column;
}

struct Table::State {
  std::shared_ptr<RowAxis> rows;
  std::vector<std::pair<std::string, std::shared_ptr<ColumnStore>>> columns;
};

namespace {

template <class Columns>
std::vector<std::string> names_of(const Columns& columns) {
  std::vector<std::string> names;
  for (const auto& [name, column] : columns) names.push_back(name);
  return names;
}

/// "mass", "mass in Msun", or with more than one number in a row "colors [rows, 3]".
std::vector<std::string> described(const std::vector<std::string>& names,
                                   const std::vector<std::vector<std::size_t>>& shapes,
                                   const std::vector<std::string>& units) {
  std::vector<std::string> texts = names;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (shapes[i].size() > 1)
      texts[i] += fmt::format(" [rows, {}]", fmt::join(shapes[i].begin() + 1, shapes[i].end(), ", "));
    if (!units[i].empty()) texts[i] += " in " + units[i];
  }
  return texts;
}

std::uint64_t fingerprint_of(const std::string& table, const std::vector<std::string>& columns) {
  Fingerprint hash;
  hash.add(std::string_view(table));
  for (const std::string& column : columns) hash.add(std::string_view(column));
  return hash.value();
}

[[noreturn]] void refuse_table(const std::string& table, const std::string& why, SourceLocation where) {
  throw DataError(fmt::format("table \"{}\": {}", table, why), where);
}

/// Number of rows of each column, which have to be the same.
std::size_t common_length(const std::string& table, const std::vector<std::string>& names,
                          const std::vector<std::vector<std::size_t>>& shapes, SourceLocation where) {
  if (names.empty())
    refuse_table(table, "expected at least one column, got none; a rank without rows has empty columns", where);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::ranges::count(names, names[i]) > 1) {
      refuse_table(table, fmt::format("two columns are named \"{}\"; give each its own name", names[i]), where);
    }
    if (shapes[i].empty()) {
      refuse_table(
          table,
          fmt::format("column \"{}\" is one number; expected one for each row, shape [rows], or several, [rows, ..]",
                      names[i]),
          where);
    }
    if (shapes[i][0] != shapes[0][0]) {
      refuse_table(
          table,
          fmt::format("column \"{}\" has {} rows, but column \"{}\" has {}; all columns of a table have the same rows, "
                      "so give each one number for each of them",
                      names[i], shapes[i][0], names[0], shapes[0][0]),
          where);
    }
  }
  return shapes[0][0];
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
  refuse_table(
      table,
      fmt::format("column \"{}\" has {}, on this rank first in row {}, counted from 0 over all ranks; remove such "
                  "rows, or declare the column {}",
                  column, std::isnan(*found) ? "NaN" : fmt::format("{}", *found),
                  first_row + static_cast<std::uint64_t>(found - values.begin()), flaw.advice),
      where);
}

}  // namespace

void check_numbers(const std::string& table, const std::string& column, std::span<const double> values,
                   const Allowed& allowed, std::uint64_t first_row, SourceLocation where) {
  if (std::ranges::all_of(values, [](double v) { return std::isfinite(v); })) return;
  if (!allowed.nan) refuse_flaw(table, column, values, first_row, nan_flaw, where);
  if (!allowed.infinite) refuse_flaw(table, column, values, first_row, infinite_flaw, where);
}

void Table::check_column(const std::string& table, const std::string& name, const Column& column,
                         std::uint64_t first_row, SourceLocation where) {
  if (column.stream_ != nullptr) return;  // checked block by block
  const std::size_t rows = column.shape_[0];
  const std::size_t lanes =
      std::reduce(column.shape_.begin() + 1, column.shape_.end(), std::size_t{1}, std::multiplies());
  if (column.owner_ == nullptr && column.shape_.size() > 1) {
    refuse_table(
        table,
        fmt::format("column \"{}\" has several numbers for each row, {}, and is borrowed; leave out borrow(), since "
                    "they are copied to lie in another order",
                    name, column.shape_),
        where);
  }
  if (column.inexact_) {
    refuse_table(
        table,
        fmt::format("column \"{}\" has {}, on this rank first in row {}, counted from 0 over all ranks, and no double "
                    "equals it: {}",
                    name, column.inexact_->number, first_row + column.inexact_->place / std::max<std::size_t>(lanes, 1),
                    detail::why_inexact),
        where);
  }
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    const Allowed allowed{.nan = column.may_be_nan_, .infinite = column.may_be_infinite_};
    check_numbers(table, name, {column.data_ + lane * rows, rows}, allowed, first_row, where);
  }
}

/// For each column, whether no rank declares that it may be NaN or infinite: all build the same graphs. Collective.
std::vector<bool> Table::are_finite(const Columns& columns, const Communicator& comm, const Operation& operation) {
  Message message(columns.size());
  std::ranges::transform(columns, message.payload().begin(), [](const auto& named) {
    return named.second.may_be_nan_ || named.second.may_be_infinite_ ? 1.0 : 0.0;
  });
  comm.allreduce(message, operation);
  std::vector<bool> finite;
  for (const double count : message.payload()) finite.push_back(count == 0.0);
  return finite;
}

/// Checks columns of this rank's rows against each other and against those of other ranks. Collective, in a Call.
Table::Checked Table::check_columns(const std::string& table, const Columns& columns, const Communicator& comm,
                                    SourceLocation where) {
  const Operation check("the checking of a table", where);
  std::vector<std::vector<std::size_t>> shapes;
  std::vector<std::string> units;
  for (const auto& [name, column] : columns) {
    shapes.push_back(column.shape_);
    units.push_back(column.unit_);
  }
  const std::size_t local_rows = common_length(table, names_of(columns), shapes, where);

  const std::vector<std::string> texts = described(names_of(columns), shapes, units);
  const std::uint64_t fingerprint = fingerprint_of(table, texts);
  if (comm.first_difference({&fingerprint, 1}, check) == 0) {
    refuse_table(
        table,
        fmt::format(
            "ranks make different tables; rank {} makes \"{}\" with the columns {}; make the same tables in the "
            "same order on every rank, with the same columns in the same order, and no rows where a rank has "
            "none",
            comm.rank(), table, texts),
        where);
  }

  std::vector<bool> finite = are_finite(columns, comm, check);
  const std::vector<std::uint64_t> counts = comm.allgather(local_rows, check);
  const std::uint64_t total_rows = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (total_rows == 0) {
    refuse_table(table, "expected rows on one rank at least, got none on any; check what the columns are made of",
                 where);
  }
  const std::uint64_t first_row = std::accumulate(counts.begin(), counts.begin() + comm.rank(), std::uint64_t{0});
  for (const auto& [name, column] : columns) check_column(table, name, column, first_row, where);
  std::vector<std::size_t> first_rows(counts.size());
  std::exclusive_scan(counts.begin(), counts.end(), first_rows.begin(), std::size_t{0});
  return {{.table = table,
           .comm = comm,
           .local_rows = local_rows,
           .first_row = first_row,
           .total_rows = total_rows,
           .count = static_cast<double>(total_rows),
           .first_rows = std::move(first_rows)},
          std::move(finite)};
}

RowNumbers Table::numbers_of(const Column& column) {
  return {.owner = column.owner_,
          .data = column.data_,
          .lanes = {column.shape_.begin() + 1, column.shape_.end()},
          .stream = column.stream_,
          .in_stream = column.in_stream_};
}

Table::Table(std::string name, Columns columns, Communicator comm, SourceLocation where)
    : Table(
          std::move(name), [&columns] { return std::move(columns); }, std::move(comm), where) {}

Table::Table(std::string name, const std::function<Columns()>& load, Communicator comm, SourceLocation where) {
  in_call("Table", where, comm, [&] {
    comm.guarded(
        [&] {
          const Columns columns = load();
          const Checked checked = check_columns(name, columns, comm, where);
          State state{std::make_shared<RowAxis>(checked.rows), {}};
          for (std::size_t i = 0; i < columns.size(); ++i) {
            const auto& [column_name, column] = columns[i];
            ColumnStore store{.numbers = numbers_of(column), .is_finite = checked.finite[i], .unit = column.unit_};
            state.columns.emplace_back(column_name, std::make_shared<ColumnStore>(std::move(store)));
          }
          state_ = std::make_shared<const State>(std::move(state));
        },
        Operation("the building of a table", where));
  });
}

void Table::assign(Columns columns, SourceLocation where) {
  assign([&columns] { return std::move(columns); }, where);
}

void Table::assign(const Table& other, SourceLocation where) {
  const auto load = [&other] {
    Columns columns;
    for (const auto& [name, store] : other.state_->columns) {
      if (!store->computed_from.empty()) continue;
      const RowNumbers& numbers = store->numbers;
      std::vector<std::size_t> shape = numbers.lanes;
      shape.insert(shape.begin(), other.local_rows());
      Column column(numbers.owner, numbers.data, std::move(shape));
      column.stream_ = numbers.stream;
      column.in_stream_ = numbers.in_stream;
      column.may_be_nan_ = column.may_be_infinite_ = !store->is_finite;  // what the other has was checked
      column.unit_ = store->unit;
      columns.emplace_back(name, std::move(column));
    }
    return columns;
  };
  assign(load, where);
}

void Table::assign(const std::function<Columns()>& load, SourceLocation where) {
  in_call("Table::assign", where, communicator(), [&] {
    RowAxis& rows = *state_->rows;
    std::vector<std::pair<ColumnStore*, RowNumbers>> assigned;
    const RowAxis lengths = rows.comm.guarded(
        [&] {
          Columns columns = load();
          for (const auto& [name, store] : state_->columns) {
            if (!store->computed_from.empty()) continue;
            const auto found = std::ranges::find(columns, name, &Columns::value_type::first);
            if (found == columns.end() || found->second.shape_.empty() ||
                numbers_of(found->second).lanes != store->numbers.lanes) {
              refuse_table(
                  rows.table,
                  fmt::format("expected other rows of all its columns, with as many numbers for each row as before, "
                              "got none of that kind for \"{}\"; assign each column, [rows{}{}]",
                              name, store->numbers.lanes.empty() ? "" : ", ", fmt::join(store->numbers.lanes, ", ")),
                  where);
            }
            if (const std::string& unit = found->second.unit_; !unit.empty() && unit != store->unit) {
              refuse_table(
                  rows.table,
                  fmt::format("expected column \"{}\" {}, as when the table was made, got it in {}; convert the "
                              "numbers, or leave the unit out",
                              name, store->unit.empty() ? "without a unit" : "in " + store->unit, unit),
                  where);
            }
            assigned.emplace_back(store.get(), numbers_of(found->second));
          }
          for (const std::string& name : names_of(columns)) {
            if (std::ranges::any_of(state_->columns, [&](const auto& own) {
                  return own.first == name && own.second->computed_from.empty();
                })) {
              continue;
            }
            refuse_table(
                rows.table,
                fmt::format("expected rows of the columns {}, got some of \"{}\"; leave it out, since columns that "
                            "are computed follow by themselves",
                            names_of(state_->columns), name),
                where);
          }
          const Checked checked = check_columns(rows.table, columns, rows.comm, where);
          for (const auto& [name, store] : state_->columns) {
            const auto found = std::ranges::find(columns, name, &Columns::value_type::first);
            if (found == columns.end() || !store->is_finite ||
                checked.finite[static_cast<std::size_t>(found - columns.begin())]) {
              continue;
            }
            refuse_table(
                rows.table,
                fmt::format("expected finite numbers for the column \"{}\", as when the table was made, got some that "
                            "are declared to be otherwise; declare that when the table is made, too",
                            name),
                where);
          }
          return checked.rows;
        },
        Operation("the assigning of rows", where));
    for (auto& [store, numbers] : assigned) store->numbers = std::move(numbers);
    rows.local_rows = lengths.local_rows;
    rows.first_row = lengths.first_row;
    rows.total_rows = lengths.total_rows;
    rows.count = lengths.count;
    rows.first_rows = lengths.first_rows;
    ++rows.generation;
  });
}

Table Table::with_computed(std::string name, Expr value, Array numbers, std::string unit, SourceLocation where) const {
  const auto is_named = [&](const auto& column) { return column.first == name; };
  if (std::ranges::any_of(state_->columns, is_named)) {
    refuse_table(this->name(), fmt::format("two columns are named \"{}\"; give the new one another name", name), where);
  }
  const Column column(std::move(numbers));
  check_column(this->name(), name, column, first_row(), where);
  State state = *state_;
  state.columns.emplace_back(std::move(name),
                             std::make_shared<ColumnStore>(ColumnStore{numbers_of(column), std::move(value),
                                                                       state.rows->generation, true, std::move(unit)}));
  Table table = *this;
  table.state_ = std::make_shared<const State>(std::move(state));
  return table;
}

const std::shared_ptr<ColumnStore>& Table::store_of(const Name& name) const {
  for (const auto& [column, store] : state_->columns) {
    if (column == name.text) return store;
  }
  throw ExpressionError(fmt::format("table \"{}\" has no column \"{}\"; it has {}", state_->rows->table, name.text,
                                    names_of(state_->columns)),
                        name.where);
}

Expr Table::operator[](const Name& name) const {
  return make_node(std::make_shared<const ColumnOperator>(std::string(name.text), state_->rows, store_of(name)), {},
                   name.where);
}

const std::string& Table::unit(const Name& name) const { return store_of(name)->unit; }
Expr Table::count(SourceLocation where) const { return row_count(state_->rows, where); }

std::string Table::str() const {
  std::string blocks;
  std::vector<std::vector<std::size_t>> shapes;
  std::vector<std::string> units;
  for (const auto& [column, store] : state_->columns) {
    shapes.push_back(store->numbers.lanes);
    shapes.back().insert(shapes.back().begin(), 0);
    units.push_back(store->unit);
    if (const auto& stream = store->numbers.stream) {
      blocks = fmt::format(", read in blocks of {}", stream->rows_per_block());
    }
  }
  return fmt::format("{}: {} rows on {} rank{}{}, columns {}", name(), total_rows(), communicator().size(),
                     communicator().size() == 1 ? "" : "s", blocks,
                     fmt::join(described(names_of(state_->columns), shapes, units), ", "));
}

Extent Table::rows() const { return std::shared_ptr<const RowAxis>(state_->rows); }
const std::string& Table::name() const { return state_->rows->table; }
std::vector<std::string> Table::column_names() const { return names_of(state_->columns); }
std::size_t Table::local_rows() const { return state_->rows->local_rows; }
std::size_t Table::first_row() const { return state_->rows->first_row; }
std::size_t Table::total_rows() const { return state_->rows->total_rows; }
const Communicator& Table::communicator() const { return state_->rows->comm; }

}  // namespace allgrad
