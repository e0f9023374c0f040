#include "dsl/row_number.hpp"

#include <numeric>

#include "base/fingerprint.hpp"

namespace allgrad {

void RowNumber::identify(Fingerprint& hash) const { hash.add(std::string_view(rows_->table)); }

Array RowNumber::evaluate(const Node&, std::span<const Array* const>, Evaluation&) const {
  Array numbers = Array::from_shape({rows_->local_rows});  // not by xt::arange, which ends the program without memory
  std::iota(numbers.begin(), numbers.end(), static_cast<double>(rows_->first_row));
  return numbers;
}

View RowNumber::lower(const Node& node, Lowering& lowering) const { return lowering.row_numbers(node.shape); }

}  // namespace allgrad
