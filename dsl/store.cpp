// store: a value per row -> the same, computed once and kept. Zero derivative, since it depends on no input.
#include "dsl/store.hpp"

#include <fmt/format.h>

#include "allgrad/arrays.hpp"
#include "allgrad/error.hpp"
#include "dsl/input.hpp"
#include "graph/shape.hpp"

namespace allgrad {

Expr store(const Operand& x) {
  const Expr& value = x.expr();
  if (const std::string_view input = input_of(value); !input.empty()) {
    throw ExpressionError(
        fmt::format("store({}): expected a value that is the same at every evaluation, got one that depends on {}; "
                    "store what is computed from columns and numbers alone",
                    to_string(value.shape()), input),
        x.where());
  }
  const auto rows = row_axis(value.shape());
  if (!rows || as<ColumnOperator>(value) != nullptr) return value;
  const NodeOrigin origin(x.where(), false);
  if (*rows == 0) return make_node(std::make_shared<const Store>(), {value}, x.where());
  return moveaxis(store(moveaxis(value, *rows, 0)), 0, *rows);
}

}  // namespace allgrad
