#include "dsl/column.hpp"

#include <algorithm>

#include "base/fingerprint.hpp"

namespace allgrad {

void ColumnOperator::identify(Fingerprint& hash) const {
  hash.add(std::string_view(rows_->table));
  hash.add(std::string_view(name_));
}

Array ColumnOperator::evaluate(const Node&, std::span<const Array* const>, Evaluation&) const {
  Array values = Array::from_shape({rows_->local_rows});
  std::copy_n(data_, rows_->local_rows, values.begin());
  return values;
}

View ColumnOperator::lower(const Node& node, Lowering& lowering) const { return lowering.external(data_, node.shape); }

}  // namespace allgrad
