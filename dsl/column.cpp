#include "dsl/column.hpp"

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

Array ColumnOperator::evaluate(const Node& node, std::span<const Array* const>, Evaluation&) const {
  const std::vector<std::size_t> lanes_first{num_lanes(node.shape), rows_->local_rows};
  Array values =
      xt::transpose(xt::adapt(store_->numbers.data, lanes_first[0] * lanes_first[1], xt::no_ownership(), lanes_first));
  values.reshape(local_shape(node.shape));
  return values;
}

View ColumnOperator::lower(const Node& node, Lowering& lowering) const {
  const RowNumbers& numbers = store_->numbers;
  if (numbers.stream != nullptr) return lowering.streamed(*numbers.stream, numbers.in_stream, node.shape);
  return lowering.external(numbers.data, node.shape);
}

}  // namespace allgrad
