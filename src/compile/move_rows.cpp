// Rows on their way between ranks and tables: dealt out from one rank, gathered on one, cut by a mask.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "allgrad/error.hpp"
#include "allgrad/table.hpp"
#include "base/archive.hpp"
#include "comm/call.hpp"
#include "compile/check_graph.hpp"
#include "compile/row_values.hpp"
#include "dsl/checked_columns.hpp"
#include "dsl/column.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

/// What travels at a time, so that memory does not grow with the rows.
constexpr std::size_t most_numbers = std::size_t{1} << 17;

/// The numbers that rank `root` has, block by block on every rank: take(first, numbers).
template <class Take>
void broadcast_numbers(const double* numbers, std::size_t count, int root, const Communicator& comm,
                       const Operation& operation, Take take) {
  for (std::size_t first = 0; first < count; first += most_numbers) {
    const std::size_t length = std::min(most_numbers, count - first);
    const std::string own = comm.attempt([&] {
      return comm.rank() == root ? std::string(reinterpret_cast<const char*>(numbers + first), length * sizeof(double))
                                 : std::string();
    });
    const std::string bytes = comm.broadcast(own, root, operation);
    comm.attempt([&] {
      std::vector<double> received(length);
      std::memcpy(received.data(), bytes.data(), bytes.size());
      take(first, received);
    });
  }
}

/// What a rank without a column has to know of it.
struct ColumnHeader {
  std::string name;
  std::vector<std::size_t> shape;
  std::string unit;
  bool may_be_nan, may_be_infinite;

  void fields(Archive& archive) { archive(name, shape, unit, may_be_nan, may_be_infinite); }
};

std::size_t product(const std::vector<std::size_t>& lengths) {
  return std::accumulate(lengths.begin(), lengths.end(), std::size_t{1}, std::multiplies());
}

}  // namespace

RowShare share_of_rows(std::size_t total, int rank, int size) {
  const auto parts = static_cast<std::size_t>(size);
  const std::size_t longer = total % parts;  // this many ranks have one row more
  const auto first_of = [&](std::size_t r) { return r * (total / parts) + std::min(r, longer); };
  return {first_of(static_cast<std::size_t>(rank)), first_of(static_cast<std::size_t>(rank) + 1)};
}

RowShare share_of_rows(std::size_t total, const Communicator& comm) {
  return share_of_rows(total, comm.rank(), comm.size());
}

Array gather_rows(const Operand& value) {
  const Expr& expr = value.expr();
  const SourceLocation where = value.where();
  const auto rows = rows_of(expr.shape());
  if (rows == nullptr || row_axis(expr.shape()) != std::size_t{0}) {
    throw ExpressionError(
        fmt::format("gather_rows({}): expected a value per row, [rows] or [rows, ..]; evaluate() gives other values",
                    to_string(expr.shape())),
        where);
  }
  const Communicator& comm = rows->comm;
  return in_call("gather_rows", where, comm, [&] {
    const Operation operation("the gathering of rows", where);
    comm.guarded([&] { check_known(expr, "gather_rows: the value", comm, where); }, operation);
    check_same_on_all_ranks({{"value", expr}}, 0, comm, operation, where);
    const Array own = compute_row_values(expr, comm, ExecutorKind::tiled);
    const std::vector<std::uint64_t> counts = comm.allgather(rows->local_rows, operation);
    std::vector<std::size_t> shape(own.shape().begin(), own.shape().end());
    shape[0] = comm.is_root() ? rows->total_rows : 0;
    Array all = comm.attempt([&] { return Array(Array::from_shape(shape)); });
    const std::size_t lanes = num_lanes(expr.shape());
    std::size_t first_of_rank = 0;
    for (int rank = 0; rank < comm.size(); ++rank) {
      const std::size_t count = counts[static_cast<std::size_t>(rank)] * lanes;
      broadcast_numbers(own.data(), count, rank, comm, operation,
                        [&](std::size_t first, const std::vector<double>& block) {
                          if (comm.is_root()) std::ranges::copy(block, all.data() + first_of_rank + first);
                        });
      first_of_rank += count;
    }
    return all;
  });
}

Table Table::scatter(std::string name, const Columns& columns, Communicator comm, SourceLocation where) {
  return in_call("Table::scatter", where, comm, [&] {
    const Operation operation("the dealing out of rows", where);
    Archive own;
    if (comm.is_root()) {
      check_columns(name, columns, Communicator(MPI_COMM_SELF), where);
      std::vector<ColumnHeader> own_headers;
      for (const auto& [column_name, column] : columns) {
        own_headers.push_back({column_name, column.shape_, column.unit_, column.may_be_nan_, column.may_be_infinite_});
      }
      own(own_headers);
    }
    const std::string bytes = comm.broadcast(own.written(), 0, operation);
    std::vector<ColumnHeader> headers;
    Archive of_root(bytes);
    of_root(headers);
    Columns shares;
    for (std::size_t i = 0; i < headers.size(); ++i) {
      std::vector<std::size_t> shape = headers[i].shape;
      const std::size_t total = shape[0];
      const RowShare share = share_of_rows(total, comm);
      shape[0] = share.count();
      const std::size_t lanes = product({shape.begin() + 1, shape.end()});
      const auto numbers = comm.attempt([&] { return std::make_shared<std::vector<double>>(lanes * share.count()); });
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        const double* all = comm.is_root() ? columns[i].second.data_ + lane * total : nullptr;
        double* part = numbers->data() + lane * share.count();
        broadcast_numbers(all, total, 0, comm, operation, [&](std::size_t first, const std::vector<double>& block) {
          const std::size_t begin = std::max(first, share.first), end = std::min(first + block.size(), share.last);
          for (std::size_t row = begin; row < end; ++row) part[row - share.first] = block[row - first];
        });
      }
      Column column(numbers, numbers->data(), shape);
      column.may_be_nan_ = headers[i].may_be_nan;
      column.may_be_infinite_ = headers[i].may_be_infinite;
      column.unit_ = headers[i].unit;
      shares.emplace_back(headers[i].name, std::move(column));
    }
    return Table(std::move(name), std::move(shares), comm, where);
  });
}

Table Table::where(const Operand& mask) const {
  return in_call("Table::where", mask.where(), communicator(), [&] {
    const Operation operation("the cutting of rows", mask.where());
    const Communicator& comm = communicator();
    comm.guarded(
        [&] {
          check_is_own(mask.expr(), "mask", mask.where());
          if (mask.expr().ndim() == 1) return;
          throw ExpressionError(
              fmt::format("table \"{}\": expected as mask one number for each row, [rows], got shape {}; "
                          "reduce its lanes, as by all(mask, -1)",
                          name(), to_string(mask.expr().shape())),
              mask.where());
        },
        operation);
    check_same_on_all_ranks({{"mask", mask.expr()}}, 0, comm, operation, mask.where());
    const Array kept = compute_row_values(mask.expr(), comm, ExecutorKind::tiled);
    std::vector<Expr> all;
    for (const std::string& column : column_names()) all.push_back((*this)[column]);
    if (find_streamed(all) != nullptr) {
      comm.fail(std::make_exception_ptr(DataError(
          fmt::format("table \"{}\": its rows are read block by block, and where() copies them; give rows no weight in "
                      "the model instead, or read the table without ReadOptions::stream",
                      name()),
          mask.where())));
    }
    compute_kept(all, comm, ExecutorKind::tiled);
    return Table(
        name(),
        [&] {
          Columns columns;
          for (const Expr& expr : all) {
            const ColumnStore& store = as<ColumnOperator>(expr)->store();
            const RowNumbers& numbers = store.numbers;
            const std::size_t rows = local_rows(), lanes = product(numbers.lanes);
            const auto cut = std::make_shared<std::vector<double>>();
            for (std::size_t i = 0; i < lanes * rows; ++i) {
              if (kept.storage()[i % rows] != 0.0) cut->push_back(numbers.data[i]);
            }
            std::vector<std::size_t> shape = numbers.lanes;
            shape.insert(shape.begin(), static_cast<std::size_t>(
                                            std::ranges::count_if(kept.storage(), [](double m) { return m != 0.0; })));
            Column column(cut, cut->data(), std::move(shape));
            column.may_be_nan_ = column.may_be_infinite_ = !store.is_finite;  // what this table has was checked
            column.unit_ = store.unit;
            columns.emplace_back(as<ColumnOperator>(expr)->label(), std::move(column));
          }
          return columns;
        },
        comm, mask.where());
  });
}

}  // namespace allgrad
