#pragma once

// Values written twice: as an expression, and as loops over whole arrays of all rows of all ranks.

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "evaluation.hpp"
#include "plain_arrays.hpp"

namespace allgrad::testing {

struct Value {
  Expr expr;
  std::function<Array(const Array& params)> plain;
};

/// What `expr` is in terms of the operands' plain values.
template <class F, class... V>
Value apply(Expr expr, F plain, const V&... operands) {
  return {std::move(expr), [plain, ... f = operands.plain](const Array& params) { return Array(plain(f(params)...)); }};
}

Value operator*(const Value& x, const Value& y);
Value operator+(const Value& x, const Value& y);
Value constant_value(const Array& x);

/// x with an axis of length 1 before `axis`.
Value expand(const Value& x, std::size_t axis);

/// The rows that ranks of the world have together, of which a table needs some; ranks beyond the list's end start over.
std::size_t rows_of_all(const Lengths& rows_on_ranks);

/// What values are made of: parameters [6] and a table with the columns u and v.
class Inputs {
 public:
  /// Rank r holds rows_on_ranks[r] rows, and so on from the first number again.
  explicit Inputs(const Lengths& rows_on_ranks);

  static constexpr std::size_t num_params = 6;
  const Expr& parameter_vector() const { return params_; }
  const Communicator& communicator() const { return table_.communicator(); }

  Value params() const;
  Value column(const std::string& name) const;
  Value matrix() const;      // [2, 3]
  Value scalar() const;      // []
  Value rows() const;        // [rows]
  Value rows_6() const;      // [rows, 6]
  Value six_rows() const;    // [6, rows]
  Value two_rows_3() const;  // [2, rows, 3]
  Value rows_2_2_3() const;  // [rows, 2, 2, 3]

 private:
  std::map<std::string, Array> columns_;
  Table table_;
  Expr params_;
};

/// A value that is not per row: of a value per row, the sum over rows with another weight for each.
Value total(const Inputs& inputs, const Value& x);

/// Checks a value that is linear in the parameters, totalled over the rows, and the gradient of a loss in which each
/// element has a weight of its own, on both executors.
void check(const Inputs& inputs, const Value& x);

/// Checks a value that is smooth, but not linear in the parameters: as above, with the gradient by central differences,
/// in both modes of differentiation.
void check_nonlinear(const Inputs& inputs, const Value& x, double tolerance = 1e-8);

/// Ranks with some rows, without any, and with a single one.
Inputs uneven_inputs();

std::vector<Value> all_values(const Inputs& in);

/// Positions of the axes of x but the row axis.
Lengths lane_axes(const Value& x);

}  // namespace allgrad::testing
