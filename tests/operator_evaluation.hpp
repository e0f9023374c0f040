#pragma once

// Rows of operators.def at points, as a computation per row and as a dense one, and comparisons with known numbers.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <xtensor/xadapt.hpp>

#include "catch.hpp"
#include "dsl/elementwise.hpp"
#include "evaluation.hpp"

namespace allgrad::testing {

/// [operand][point]
using Points = std::vector<std::vector<double>>;

enum class Form { dense, per_row };
inline constexpr Form forms[] = {Form::dense, Form::per_row};

/// Allowed distances from the exact results in units of the last place, as the row states them, at a point where it
/// has the given value; 4 where that is not finite.
struct Bounds {
  double value, derivative;
};

inline Bounds bounds(const ElementwiseRow& row, const Points& points, std::size_t i, double value) {
  double at[3] = {};
  for (std::size_t k = 0; k < row.num_operands; ++k) at[k] = points[k][i];
  const auto finite = [](double ulps) { return std::isfinite(ulps) ? ulps : 4.0; };
  return {finite(row.value_ulps(at[0], at[1], at[2], value)), finite(row.derivative_ulps(at[0], at[1], at[2], value))};
}

inline std::string context(const ElementwiseRow& row, Form form, ExecutorKind executor) {
  return std::string(row.name) + (form == Form::dense ? ", dense, " : ", per row, ") + to_string(executor);
}

/// An operator at `points`, each of which is shifted by parameters of its own: `shifts` [operands * points]. Operands
/// by which there is no derivative stay where they are.
struct Written {
  Expr shifts;
  Expr values;  // [points]
};

inline Written write(const ElementwiseRow& row, const Points& points, Form form) {
  const std::size_t count = points[0].size();
  const Expr shifts = parameters(row.num_operands * count);
  const xt::xtensor<double, 1> number = xt::arange<double>(static_cast<double>(count));
  WholeColumns columns{{"point", {number.begin(), number.end()}}};
  for (std::size_t k = 0; k < row.num_operands; ++k) columns.emplace_back(std::to_string(k), points[k]);
  const Table table = deal("points", columns, uneven, Communicator::world());
  const Expr is_point = equal(expand_dims(table["point"], 1), number);

  std::vector<Expr> operands;
  for (std::size_t k = 0; k < row.num_operands; ++k) {
    const auto first = static_cast<std::ptrdiff_t>(k * count);
    const Expr shift = view(shifts, range(first, first + static_cast<std::ptrdiff_t>(count)));
    if (!row.has_derivative(k)) {
      operands.push_back(form == Form::dense ? constant(xt::adapt(points[k], {count})) : table[std::to_string(k)]);
      continue;
    }
    operands.push_back(form == Form::dense ? xt::adapt(points[k], {count}) + shift
                                           : table[std::to_string(k)] + sum(where(is_point, shift, 0.0), 1));
  }
  if (row.kernel == Kernel::power_below) operands[2] = pow(operands[0], operands[1]);  // what it is given
  const Expr values = elementwise(row.kernel, operands, {});
  return {shifts, form == Form::dense ? values : sum(where(is_point, expand_dims(values, 1), 0.0), 0)};
}

/// Values at the points [points].
inline std::vector<double> values_of(const ElementwiseRow& row, const Points& points, Form form,
                                     ExecutorKind executor) {
  const Written written = write(row, points, form);
  const std::vector<double> unshifted(row.num_operands * points[0].size(), -0.0);  // keeps the sign of zeros
  return evaluate(written.values, written.shifts, unshifted, Communicator::world(), executor);
}

/// Derivatives by each operand [operands * points]. Each value has a weight, a power of two, so that the cotangents
/// that come to the operator are not all 1.
inline std::vector<double> derivatives_of(const ElementwiseRow& row, const Points& points, Form form,
                                          ExecutorKind executor) {
  const std::size_t count = points[0].size();
  const Written written = write(row, points, form);
  const xt::xarray<double> weights = xt::exp2(xt::fmod(xt::arange<double>(static_cast<double>(count)), 7.0) - 3.0);
  const std::vector<double> unshifted(row.num_operands * count, -0.0);
  std::vector<double> result =
      evaluate_with_gradient(sum(written.values * weights), written.shifts, unshifted, Communicator::world(), executor)
          .gradient;
  for (std::size_t i = 0; i < result.size(); ++i) result[i] /= weights(i % count);
  return result;
}

/// All tuples of `values` for the operands of a row.
inline Points combinations(const ElementwiseRow& row, const std::vector<double>& values) {
  Points points(row.num_operands);
  std::size_t total = 1;
  for (std::size_t k = 0; k < row.num_operands; ++k) total *= values.size();
  for (std::size_t i = 0; i < total; ++i) {
    std::size_t rest = i;
    for (std::vector<double>& operand : points) {
      operand.push_back(values[rest % values.size()]);
      rest /= values.size();
    }
  }
  return points;
}

inline std::string describe(const Points& points, std::size_t i) {
  std::string text;
  for (const std::vector<double>& operand : points) text += fmt::format("{}{}", text.empty() ? "" : ", ", operand[i]);
  return "at (" + text + ")";
}

/// Checks values [points] and derivatives [operands * points], where they are known, to the bounds of the row times
/// `looseness`.
inline void check_values(const ElementwiseRow& row, std::span<const double> expected, std::span<const double> actual,
                         const Points& points, double looseness = 1.0) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO(describe(points, i) << ": expected " << fmt::format("{}, got {}", expected[i], actual[i]));
    CHECK(ulps(expected[i], actual[i]) <= looseness * bounds(row, points, i, expected[i]).value);
  }
}

inline void check_derivatives(const ElementwiseRow& row, std::span<const double> values,
                              std::span<const std::optional<double>> expected, std::span<const double> actual,
                              const Points& points, double looseness = 1.0) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t j = 0; j < expected.size(); ++j) {
    if (!expected[j]) continue;
    const std::size_t i = j % values.size();
    INFO("derivative " << describe(points, i) << ": expected " << fmt::format("{}, got {}", *expected[j], actual[j]));
    CHECK(ulps(*expected[j], actual[j]) <= looseness * bounds(row, points, i, values[i]).derivative);
  }
}

}  // namespace allgrad::testing
