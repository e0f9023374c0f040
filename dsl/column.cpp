#include "dsl/column.hpp"

#include <algorithm>
#include <xtensor/xadapt.hpp>
#include <xtensor/xmanipulation.hpp>

#include "base/fingerprint.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

RowNumbers owned(Array&& values) {
  RowNumbers numbers;
  numbers.lanes.assign(values.shape().begin() + 1, values.shape().end());
  std::shared_ptr<const Array> array;
  if (values.dimension() > 1 && values.size() > 0) {
    const std::size_t rows = values.shape()[0];
    values.reshape({rows, values.size() / rows});
    array = std::make_shared<const Array>(xt::transpose(values));
  } else {
    array = std::make_shared<const Array>(std::move(values));
  }
  numbers.data = array->data();
  numbers.owner = array;
  return numbers;
}

const Node* find_streamed(std::span<const Expr> outputs) {
  const Node* found = nullptr;
  for_each_node(outputs, [&found](const Expr& expr) {
    const auto* column = as<ColumnOperator>(expr);
    if (found == nullptr && column != nullptr && column->store().numbers.stream != nullptr) found = expr.node();
  });
  return found;
}

void ColumnOperator::identify(Fingerprint& hash) const {
  hash.add(std::string_view(rows_->table));
  hash.add(std::string_view(name_));
}

bool ColumnOperator::same_on_this_rank(const Operator& other) const {
  const auto* column = dynamic_cast<const ColumnOperator*>(&other);
  return column != nullptr && column->store_ == store_;
}

Shape ColumnOperator::infer_shape(std::span<const Expr>) const {
  Shape shape{rows_};
  shape.insert(shape.end(), store_->numbers.lanes.begin(), store_->numbers.lanes.end());
  return shape;
}

namespace {

/// All rows of a column, lane by lane, one block after the other.
Array read_all(RowStream& stream, std::size_t column, std::size_t lanes, std::size_t rows) {
  Array all = Array::from_shape({lanes, rows});
  const std::size_t columns[] = {column};
  stream.make_room_for(columns);
  const auto block_at = [&](std::size_t first) {
    return RowStream::Wanted{{first, std::min(stream.block_rows(most_tile_rows), rows - first)}, columns};
  };
  for (std::size_t first = 0; first < rows;) {
    const RowStream::Wanted now = block_at(first);
    const std::size_t end = first + now.block.count;
    stream.take(now, block_at(end < rows ? end : 0));
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      std::copy_n(stream.data(column) + lane * stream.lane_stride(), now.block.count, &all(lane, first));
    }
    first = end;
  }
  stream.rest();
  return all;
}

}  // namespace

Array ColumnOperator::evaluate(const Node& node, std::span<const Array* const>, Evaluation&) const {
  const std::vector<std::size_t> lanes_first{num_lanes(node.shape), rows_->local_rows};
  const RowNumbers& numbers = store_->numbers;
  Array values =
      numbers.stream != nullptr
          ? Array(xt::transpose(read_all(*numbers.stream, numbers.in_stream, lanes_first[0], lanes_first[1])))
          : Array(xt::transpose(
                xt::adapt(numbers.data, lanes_first[0] * lanes_first[1], xt::no_ownership(), lanes_first)));
  values.reshape(local_shape(node.shape));
  return values;
}

View ColumnOperator::lower(const Node& node, Lowering& lowering) const {
  const RowNumbers& numbers = store_->numbers;
  if (numbers.stream != nullptr) return lowering.streamed(*numbers.stream, numbers.in_stream, node.shape);
  return lowering.external(numbers.data, node.shape);
}

}  // namespace allgrad
