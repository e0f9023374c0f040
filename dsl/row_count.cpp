#include "dsl/row_count.hpp"

#include "base/fingerprint.hpp"

namespace allgrad {

void RowCount::identify(Fingerprint& hash) const { hash.add(std::string_view(rows_->table)); }

bool RowCount::same_on_this_rank(const Operator& other) const {
  const auto* count = dynamic_cast<const RowCount*>(&other);
  return count != nullptr && count->rows_ == rows_;
}

Expr row_count(const std::shared_ptr<const RowAxis>& rows, SourceLocation where) {
  return make_node(std::make_shared<const RowCount>(rows), {}, where);
}

}  // namespace allgrad
