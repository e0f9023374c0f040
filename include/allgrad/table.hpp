#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "allgrad/communicator.hpp"
#include "allgrad/exact.hpp"
#include "allgrad/expr.hpp"
#include "allgrad/name.hpp"
#include "allgrad/read_options.hpp"
#include "allgrad/str_formatter.hpp"

namespace allgrad {

class RowStream;

/// This rank's rows of one column, [rows], or [rows, ..] with several numbers for each row. Owned where an array is
/// moved or computed into it, borrowed where `borrow` says so. Numbers of all types become double: integers that no
/// double equals are refused.
class Column {
 public:
  /// Copies an xtensor expression of any number type.
  template <class E>
  Column(const xt::xexpression<E>& values) : Column(copied(detail::computed(values, {}))) {}

  /// Takes an array over; one of shape [rows] without a copy.
  Column(Array&& values);
  Column(std::vector<double> values);

  Column(std::initializer_list<double> values) : Column(std::vector(values)) {}

  /// Copies a vector or a span of any number type.
  template <class T>
  requires std::is_arithmetic_v<T> Column(const std::vector<T>& values)
      : Column(std::vector<double>(values.begin(), values.end())) {
    if constexpr (!std::is_same_v<T, bool>) inexact_ = detail::find_inexact(std::span(values));
  }
  template <class T>
  requires std::is_arithmetic_v<T> Column(std::span<T> values)
      : Column(std::vector<double>(values.begin(), values.end())) {
    inexact_ = detail::find_inexact(std::span<const T>(values));
  }

 private:
  friend class Table;
  friend Column borrow(std::span<const double> values);
  friend Column borrow(const Array& values);
  friend Column may_be_nan(Column column);
  friend Column may_be_infinite(Column column);
  friend Column with_unit(Column column, const std::string& unit);
  Column(std::shared_ptr<const void> owner, const double* data, std::vector<std::size_t> shape);
  Column(std::shared_ptr<RowStream> stream, std::size_t in_stream, std::vector<std::size_t> shape);

  template <class T>
  static Column copied(xt::xarray<T> values) {
    if constexpr (std::is_same_v<T, double>) {
      return values;
    } else {
      Column column{Array(values)};
      column.inexact_ = detail::find_inexact(std::span<const T>(values.data(), values.size()));
      return column;
    }
  }

  std::shared_ptr<const void> owner_;  // null where borrowed
  const double* data_;                 // for each of the numbers of a row, those of all rows
  std::vector<std::size_t> shape_;
  bool may_be_nan_ = false;
  std::optional<detail::Inexact> inexact_;  // refused by the table, on all ranks
  bool may_be_infinite_ = false;
  std::string unit_;
  std::shared_ptr<RowStream> stream_ = {};  // where they are not in memory
  std::size_t in_stream_ = 0;
};

/// Uses numbers [rows] where they lie, without a copy. They must outlive every table and graph that uses them,
/// unchanged.
Column borrow(std::span<const double> values);
Column borrow(const Array& values);
Column borrow(Array&& values) = delete;  // it would be gone at the end of the line: give the array a name

/// Declares that a column may hold NaN, which is an error otherwise.
Column may_be_nan(Column column);

/// Declares that a column may hold inf or -inf, which is an error otherwise.
Column may_be_infinite(Column column);

/// Gives a column a unit, a text that is kept and shown beside its name; nothing is converted by it.
Column with_unit(Column column, const std::string& unit);

struct ColumnStore;
struct RowNumbers;

/// A catalogue whose rows are spread over the ranks of a communicator: columns of equal length, of which each rank
/// holds other rows, maybe none, as long as one rank has some. A value handle; copies share the columns. Building one
/// is collective: what goes wrong on one rank is raised on all.
class Table {
 public:
  using Columns = std::vector<std::pair<std::string, Column>>;

  /// Messages call the table by its name. Throws DataError where columns differ in length, have no rows axis, hold NaN
  /// or infinities that were not declared or an integer that no double equals, or have one name, where no rank has
  /// rows, and where the name of the table or the columns are not the same on all ranks; RankError where it is so on
  /// some ranks only.
  Table(std::string name, Columns columns, Communicator comm = Communicator::world(),
        SourceLocation where = SourceLocation::current());

  /// The same with columns that `load` makes on each rank; an exception in it is raised on every rank.
  Table(std::string name, const std::function<Columns()>& load, Communicator comm = Communicator::world(),
        SourceLocation where = SourceLocation::current());

  /// Reads columns of numbers from a file, after which the table is named: HDF5, FITS tables, CSV and text in columns,
  /// ECSV, told apart by the file's first bytes. Units are kept. Each rank reads a contiguous share of the rows, of
  /// equal size but for one row, and keeps those that options.where does. FITS that is compressed as a whole, named
  /// .fits.gz, is unpacked by each rank in its memory. Where no columns are named, a warning tells what else there is.
  /// Throws DataError where the file or a column is missing, of another type, damaged or not fully written, two columns
  /// have the name that is asked for, an integer is none that double can hold, a value is missing that may not be NaN,
  /// the rows do not fit into memory, or the file is not the same on all ranks (its rows, size and time of
  /// modification), and what the constructors throw.
  static Table read(const std::string& file, Communicator comm = Communicator::world(), const ReadOptions& options = {},
                    SourceLocation where = SourceLocation::current());

  /// Deals out rows that rank 0 has, in contiguous parts as `share_of_rows` gives. Columns of other ranks are not
  /// looked at and may be none. Throws as the constructors do.
  static Table scatter(std::string name, const Columns& columns, Communicator comm = Communicator::world(),
                       SourceLocation where = SourceLocation::current());

  /// Another table, of the rows in which `mask` [rows] is not 0, with all columns and units; they stay on their ranks.
  /// The mask depends on neither parameters nor random keys. Throws ExpressionError where it does or is not per row of
  /// this table, DataError where no row is left on any rank, or the rows are read block by block (ReadOptions::stream).
  Table where(const Operand& mask) const;

  /// The column as a value per row, [rows] or [rows, ..]. Throws ExpressionError, with the names there are, where it is
  /// missing.
  Expr operator[](const Name& name) const;

  /// The same table with one column more: a value per row of this table that depends on neither parameters nor random
  /// keys, computed now. It may use several numbers for each row, [rows, ..], and sums over rows. Throws
  /// ExpressionError where it is none, DataError where there is such a column or the value is not finite in a row.
  Table with_column(const Name& name, const Operand& value, const std::string& unit = {}) const;

  /// Gives the table, and all graphs and models of its columns, other rows: mock realisations, bootstraps, files one
  /// after the other. Nothing is compiled again. All columns come anew, with another number of rows where you like;
  /// those of with_column and what `store` keeps are computed anew, and units stay: another one is refused. Numbers
  /// that were made of total_rows() and are in a graph stay what they were: ask for the number of rows by count().
  /// Throws as the constructors do, and changes nothing then.
  void assign(Columns columns, SourceLocation where = SourceLocation::current());
  void assign(const std::function<Columns()>& load, SourceLocation where = SourceLocation::current());

  /// The same with the rows that another table has now, but for its columns of with_column, as of the next file:
  /// `halos.assign(ag::Table::read("next.h5"))`. Copies nothing; what is read block by block goes on to be.
  void assign(const Table& other, SourceLocation where = SourceLocation::current());

  /// The unit of a column, empty where it has none. Throws ExpressionError as operator[].
  const std::string& unit(const Name& name) const;

  /// The number of rows of all ranks as a value [], which follows `assign`.
  Expr count(SourceLocation where = SourceLocation::current()) const;

  /// The row axis, for the shape of a value per row: {halos.rows(), 3}.
  Extent rows() const;

  /// In a line: "halos: 1000 rows on 4 ranks, columns radius in Mpc, colors [rows, 3] in mag".
  std::string str() const;

  const std::string& name() const;
  std::vector<std::string> column_names() const;
  std::size_t local_rows() const;  ///< rows of this rank
  std::size_t first_row() const;   ///< global number of this rank's first row
  std::size_t total_rows() const;  ///< rows of all ranks
  const Communicator& communicator() const;

 private:
  struct State;
  struct Checked;
  static Checked check_columns(const std::string& table, const Columns& columns, const Communicator& comm,
                               SourceLocation where);
  static void check_column(const std::string& table, const std::string& name, const Column& column,
                           std::uint64_t first_row, SourceLocation where);
  static RowNumbers numbers_of(const Column& column);
  static std::vector<bool> are_finite(const Columns& columns, const Communicator& comm, const Operation& operation);
  void check_is_own(const Expr& value, std::string_view what, SourceLocation where) const;
  Table with_computed(std::string name, Expr value, Array numbers, std::string unit, SourceLocation where) const;
  const std::shared_ptr<ColumnStore>& store_of(const Name& name) const;

  std::shared_ptr<const State> state_;
};

/// The rows [first, last) of some that all ranks deal out among each other.
struct RowShare {
  std::size_t first = 0, last = 0;
  std::size_t count() const { return last - first; }
};

/// This rank's part of `total` rows in contiguous parts of equal length, but for one row more on the first ranks: for
/// loaders that read rows themselves.
RowShare share_of_rows(std::size_t total, const Communicator& comm = Communicator::world());

/// The part of rank number `rank` of `size`.
RowShare share_of_rows(std::size_t total, int rank, int size);

/// All rows of a value per row [rows, ..] that depends on neither parameters nor random keys, in the order of the
/// ranks, on rank 0; no rows on others. Collective; made for looking at values. Throws ExpressionError where it is not
/// per row or depends on these.
Array gather_rows(const Operand& value);

}  // namespace allgrad

template <>
struct fmt::formatter<allgrad::Table> : allgrad::detail::StrFormatter<allgrad::Table> {};
