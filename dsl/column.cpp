#include "dsl/column.hpp"

#include <xtensor/xadapt.hpp>
#include <xtensor/xmanipulation.hpp>

#include "base/fingerprint.hpp"
#include "graph/shape.hpp"

namespace allgrad {

Array lanes_first(Array&& values) {
  if (values.dimension() <= 1 || values.size() == 0) return std::move(values);
  const std::size_t rows = values.shape()[0];
  values.reshape({rows, values.size() / rows});
  return xt::transpose(values);
}

void ColumnOperator::identify(Fingerprint& hash) const {
  hash.add(std::string_view(rows_->table));
  hash.add(std::string_view(name_));
}

bool ColumnOperator::same_on_this_rank(const Operator& other) const {
  const auto* column = dynamic_cast<const ColumnOperator*>(&other);
  return column != nullptr && column->numbers_.data == numbers_.data;
}

Shape ColumnOperator::infer_shape(std::span<const Expr>) const {
  Shape shape{rows_};
  shape.insert(shape.end(), numbers_.lanes.begin(), numbers_.lanes.end());
  return shape;
}

Array ColumnOperator::evaluate(const Node& node, std::span<const Array* const>, Evaluation&) const {
  const std::vector<std::size_t> lanes_first{num_lanes(node.shape), rows_->local_rows};
  Array values =
      xt::transpose(xt::adapt(numbers_.data, lanes_first[0] * lanes_first[1], xt::no_ownership(), lanes_first));
  values.reshape(local_shape(node.shape));
  return values;
}

View ColumnOperator::lower(const Node& node, Lowering& lowering) const {
  return lowering.external(numbers_.data, node.shape);
}

}  // namespace allgrad
