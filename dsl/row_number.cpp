#include "dsl/row_number.hpp"

#include <xtensor/xbuilder.hpp>

#include "base/fingerprint.hpp"

namespace allgrad {

void RowNumber::identify(Fingerprint& hash) const { hash.add(std::string_view(rows_->table)); }

Array RowNumber::evaluate(const Node&, std::span<const Array* const>, Evaluation&) const {
  const auto first = static_cast<double>(rows_->first_row), count = static_cast<double>(rows_->local_rows);
  return xt::arange<double>(first, first + count);
}

View RowNumber::lower(const Node& node, Lowering& lowering) const { return lowering.row_numbers(node.shape); }

}  // namespace allgrad
