// take_rows: x [rows of one table, ..], index [rows of another, ..] -> [rows of the other, ..], by numbers of rows
// among those of all ranks. scatter_rows: its transpose, the sums of a value of the other table at rows of the first.
// Adjoints by x are each other; the index has no derivative. A number of no row gives NaN, and is left out of sums; one
// of a row of another rank is an error.
#include "dsl/take_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "dsl/broadcast_to.hpp"
#include "dsl/row_count.hpp"
#include "dsl/row_number.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

Shape without_rows(const Shape& shape) { return Shape(shape.begin() + 1, shape.end()); }

Expr row_numbers_of(const Expr& value, SourceLocation where) {
  return make_node(std::make_shared<const RowNumber>(rows_of(value.shape())), {}, where);
}

/// "rows 10 to 19", of a rank.
std::string rows_of_rank(const RowAxis& rows, std::size_t rank) {
  const std::size_t first = rows.first_rows[rank];
  const std::size_t end = rank + 1 < rows.first_rows.size() ? rows.first_rows[rank + 1] : rows.total_rows;
  return first == end ? "none" : fmt::format("rows {} to {}", first, end - 1);
}

/// Finds rows of this rank by their numbers among those of all.
class RowFinder {
 public:
  RowFinder(const std::shared_ptr<const RowAxis>& rows, const std::shared_ptr<const RowAxis>& users, const Node& node)
      : rows_(*rows), users_(*users), node_(node) {}

  /// The position of a row among those of this rank, or -1 where there is no such row at all.
  std::ptrdiff_t operator()(double number, double user) const {
    if (!(number >= 0.0 && number < static_cast<double>(rows_.total_rows))) return -1;
    const auto row = static_cast<std::size_t>(number);
    if (static_cast<double>(row) != number) return -1;
    if (row < rows_.first_row || row >= rows_.first_row + rows_.local_rows) refuse(row, user);
    return static_cast<std::ptrdiff_t>(row - rows_.first_row);
  }

 private:
  [[noreturn]] void refuse(std::size_t row, double user) const {
    const auto after = std::ranges::upper_bound(rows_.first_rows, row);
    const auto owner = static_cast<std::size_t>(after - rows_.first_rows.begin()) - 1;
    const int rank = rows_.comm.rank();
    const bool is_taken = (node_.op->name() == "take_rows") != node_.backward;  // by the user's function
    throw DataError(
        fmt::format(
            "{}: row {} of table \"{}\" has the index {}, a row of table \"{}\" that is on another rank: rank {} "
            "has {} of it, rank {} {}; give each rank the rows of \"{}\" that point to its own rows of \"{}\"",
            is_taken ? "gather" : "segment_sum", user, users_.table, row, rows_.table, rank,
            rows_of_rank(rows_, static_cast<std::size_t>(rank)), owner, rows_of_rank(rows_, owner), users_.table,
            rows_.table),
        node_.where);
  }

  const RowAxis &rows_, &users_;
  const Node& node_;
};

const double& element_of(const CallOperand& operand, std::ptrdiff_t lane, std::size_t row) {
  return operand.data[lane + static_cast<std::ptrdiff_t>(row) * operand.row_stride];
}

/// Calls node.op->call on whole arrays.
Array called_on(const Node& node, std::span<const Array* const> operands, std::size_t num_rows) {
  Array result = xt::zeros<double>(local_shape(node.shape));
  const auto operand_of = [](const double* data, const Shape& shape) {
    return ArrayOperand(data, shape, rows_of(shape)->local_rows);
  };
  std::vector<ArrayOperand> arrays;
  arrays.reserve(operands.size());
  std::vector<CallOperand> in;
  for (std::size_t k = 0; k < operands.size(); ++k) {
    in.push_back(arrays.emplace_back(operand_of(operands[k]->data(), node.operands[k].shape())).operand());
  }
  const ArrayOperand out = operand_of(result.data(), node.shape);
  node.op->call(node, {out.operand(), in, num_rows});
  return result;
}

}  // namespace

Shape TakeRows::infer_shape(std::span<const Expr> operands) const {
  return broadcast(without_rows(operands[0].shape()), operands[1].shape());
}

Expr TakeRows::adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const {
  if (k != 0) return {};
  const std::vector<Expr>& operands = node.node()->operands;
  return scatter_rows(operands[0].shape(), cotangent, operands[1], node.node()->where);
}

Expr TakeRows::tangent(const Expr& node, std::span<const Expr> tangents) const {
  if (tangents[0].empty()) return {};
  return take_rows(broadcast_to(tangents[0], node.node()->operands[0].shape()), node.node()->operands[1],
                   node.node()->where);
}

Array TakeRows::evaluate(const Node& node, std::span<const Array* const> operands, Evaluation&) const {
  return called_on(node, operands, rows_of(node.shape)->local_rows);
}

View TakeRows::lower(const Node& node, Lowering& lowering) const {
  const View out = lowering.allocate(node.shape);
  lowering.emit_call(out);
  return out;
}

void TakeRows::call(const Node& node, const CallArguments& arguments) const {
  const CallOperand &out = arguments.out, &x = arguments.in[0], &index = arguments.in[1], &users = arguments.in[2];
  const Shape &to = node.shape, &from = node.operands[0].shape();
  const RowFinder find(rows_of(from), rows_of(to), node);
  const std::array<LaneStrides, 3> strides = {strides_along(out, to, to), strides_along(x, from, to),
                                              strides_along(index, node.operands[1].shape(), to)};
  for_each_lane<3>(to, strides, [&](const auto& at) {
    for (std::size_t row = 0; row < arguments.num_rows; ++row) {
      const std::ptrdiff_t place = find(element_of(index, at[2], row), element_of(users, 0, row));
      out.data[at[0] + static_cast<std::ptrdiff_t>(row) * out.row_stride] =
          place < 0 ? std::numeric_limits<double>::quiet_NaN() : x.data[at[1] + place * x.row_stride];
    }
  });
}

void ScatterRows::identify(Fingerprint& hash) const {
  hash.add(std::string_view(shape_[0].rows->table));
  add_to(hash, shape_);
}

Shape ScatterRows::infer_shape(std::span<const Expr> operands) const {
  for (const Shape& shape : {without_rows(shape_), operands[1].shape()}) {
    if (!broadcasts_to(shape, operands[0].shape())) throw InternalError("scatter_rows of shapes that do not fit");
  }
  return shape_;
}

Expr ScatterRows::adjoint(const Expr& node, const Expr& cotangent, std::size_t k) const {
  if (k != 0) return {};
  const std::vector<Expr>& operands = node.node()->operands;
  const SourceLocation where = node.node()->where;
  const Expr &index = operands[1], total = row_count(rows_of(shape_), where);
  const Expr is_there = index >= 0.0 && index < total && equal(index, floor(index));
  return broadcast_to(allgrad::where(is_there, take_rows(cotangent, index, where), 0.0), operands[0].shape());
}

Expr ScatterRows::tangent(const Expr& node, std::span<const Expr> tangents) const {
  if (tangents[0].empty()) return {};
  const std::vector<Expr>& operands = node.node()->operands;
  return with_operands(node, {broadcast_to(tangents[0], operands[0].shape()), operands[1], operands[2]});
}

Array ScatterRows::evaluate(const Node& node, std::span<const Array* const> operands, Evaluation&) const {
  return called_on(node, operands, rows_of(node.operands[0].shape())->local_rows);
}

View ScatterRows::lower(const Node& node, Lowering& lowering) const {
  const View out = lowering.keep_zeros(node.shape);
  lowering.emit_call(out);
  return out;
}

void ScatterRows::call(const Node& node, const CallArguments& arguments) const {
  const CallOperand &out = arguments.out, &x = arguments.in[0], &index = arguments.in[1], &users = arguments.in[2];
  const Shape &from = node.operands[0].shape(), &to = node.shape;
  const RowFinder find(rows_of(to), rows_of(from), node);
  const std::array<LaneStrides, 3> strides = {strides_along(out, to, from), strides_along(x, from, from),
                                              strides_along(index, node.operands[1].shape(), from)};
  for_each_lane<3>(from, strides, [&](const auto& at) {
    for (std::size_t row = 0; row < arguments.num_rows; ++row) {
      const std::ptrdiff_t place = find(element_of(index, at[2], row), element_of(users, 0, row));
      if (place >= 0) out.data[at[0] + place * out.row_stride] += element_of(x, at[1], row);
    }
  });
}

Array KeepRows::evaluate(const Node&, std::span<const Array* const> operands, Evaluation&) const {
  return *operands[0];
}

View KeepRows::lower(const Node& node, Lowering& lowering) const {
  const View out = lowering.keep(node.shape);
  lowering.emit_call(out);
  return out;
}

void KeepRows::call(const Node& node, const CallArguments& arguments) const {
  const CallOperand &out = arguments.out, &x = arguments.in[0], &numbers = arguments.in[1];
  const Shape& shape = node.shape;
  const auto first = static_cast<std::ptrdiff_t>(numbers.data[0]) -  // rows of a tile follow each other
                     static_cast<std::ptrdiff_t>(rows_of(shape)->first_row);
  for_each_lane<2>(shape, {strides_along(out, shape, shape), strides_along(x, shape, shape)}, [&](const auto& at) {
    for (std::size_t row = 0; row < arguments.num_rows; ++row) {
      out.data[at[0] + (first + static_cast<std::ptrdiff_t>(row)) * out.row_stride] = element_of(x, at[1], row);
    }
  });
}

Array KeptRows::evaluate(const Node&, std::span<const Array* const> operands, Evaluation&) const {
  return *operands[0];
}

View KeptRows::lower(const Node& node, Lowering& lowering) const {
  return lowering.kept(lowering.operand(0), node.shape);
}

Expr take_rows(const Expr& x, const Expr& index, SourceLocation where) {
  return make_node(std::make_shared<const TakeRows>(), {x, index, row_numbers_of(index, where)}, where);
}

Expr scatter_rows(const Shape& shape, const Expr& x, const Expr& index, SourceLocation where) {
  return make_node(std::make_shared<const ScatterRows>(shape), {x, index, row_numbers_of(index, where)}, where);
}

}  // namespace allgrad
