// Every row of operators.def, as a computation per row and as a dense one, on both executors and with every instruction
// set: values and derivatives against 50-digit arithmetic, derivatives against finite differences, and what becomes of
// NaN and infinity. operator_kinds.cpp has operands of all kinds and shapes.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <xtensor/xadapt.hpp>

#include "catch.hpp"
#include "check_error.hpp"
#include "dsl/elementwise.hpp"
#include "execute/kernel_set.hpp"
#include "operator_evaluation.hpp"

namespace test_operators {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

/// Known numbers of an operator.
struct Entry {
  Points points;
  std::vector<double> values;                      // [points]
  std::vector<std::optional<double>> derivatives;  // [operands * points], where there is one
};

/// The entries of an operator in operators.json and elementwise.json.
std::vector<Entry> entries_of(const ag::ElementwiseRow& row) {
  static const Json files[] = {read_json("operators.json"), read_json("elementwise.json")};
  std::vector<Entry> entries;
  for (const Json& file : files) {
    const auto found = std::ranges::find_if(file, [&](const Json& e) { return e.at("name") == row.name; });
    if (found == file.end()) continue;
    Entry entry{Points(row.num_operands), found->at("value").get<std::vector<double>>(), {}};
    for (std::size_t k = 0; k < row.num_operands; ++k) {
      for (const Json& point : found->at("points")) entry.points[k].push_back(point.at(k).get<double>());
      for (const Json& by_operand : found->at("derivative")) {
        const Json& number = by_operand.at(k);
        entry.derivatives.push_back(number.is_null() ? std::nullopt : std::optional(number.get<double>()));
      }
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace

TEST_CASE("values and derivatives equal 50-digit arithmetic") {
  for (const ag::ElementwiseRow& row : ag::elementwise_rows()) {
    for (const Entry& entry : entries_of(row)) {
      for (const Form form : forms) {
        for (const ag::ExecutorKind executor : executors) {
          INFO(context(row, form, executor));
          check_values(row, entry.values, values_of(row, entry.points, form, executor), entry.points);
          check_derivatives(row, entry.values, entry.derivatives, derivatives_of(row, entry.points, form, executor),
                            entry.points);
        }
      }
    }
  }
}

TEST_CASE("every operator whose derivative is a function has known numbers") {
  const std::vector<std::string_view> exact = {"safe_multiply", "where", "clip"};
  for (const ag::ElementwiseRow& row : ag::elementwise_rows()) {
    const bool is_step =
        std::ranges::all_of(row.derivative_text, [](auto text) { return text.empty() || text == "ALLGRAD_ZERO"; });
    INFO(row.name);
    CHECK((is_step || std::ranges::count(exact, row.name) == 1 || !entries_of(row).empty()));
  }
}

TEST_CASE("kernels of every instruction set equal 50-digit arithmetic") {
  constexpr double untouched = -7.25;
  for (const ag::KernelSet& set : ag::available_kernel_sets()) {
    for (const ag::ElementwiseRow& row : ag::elementwise_rows()) {
      for (const Entry& entry : entries_of(row)) {
        const std::size_t count = entry.values.size();
        for (std::size_t length = count; length > 0; length = length > 20 ? length - 7 : length - 1) {
          INFO(set.instruction_set << ", " << row.name << ", length " << length);  // whole batches and parts of one
          std::vector<double> out(count + 1, untouched);
          const ag::KernelSteps steps{1, 0, {1, 1, 1}, {}};
          ag::KernelOperands operands{out.data(), {}};
          for (std::size_t k = 0; k < row.num_operands; ++k) operands.in[k] = entry.points[k].data();
          set.store[static_cast<std::size_t>(row.kernel)](steps, operands, 1, length);
          check_values(row, std::span(entry.values).first(length), std::span(out).first(length), entry.points);
          CHECK(out[length] == untouched);
        }
      }
    }
  }
}

TEST_CASE("derivatives equal finite differences") {
  constexpr std::size_t count = 40;
  for (const ag::ElementwiseRow& row : ag::elementwise_rows()) {
    Points points;
    for (std::size_t k = 0; k < row.num_operands; ++k) {
      points.push_back(noise_column(count, k, row.domain[k][0], row.domain[k][1]));
    }
    for (const Form form : forms) {
      for (const ag::ExecutorKind executor : executors) {
        INFO(context(row, form, executor));
        const std::vector<double> values = values_of(row, points, form, executor);
        const std::vector<double> derivatives = derivatives_of(row, points, form, executor);
        for (std::size_t k = 0; k < row.num_operands; ++k) {
          if (!row.has_derivative(k)) continue;
          const auto step = [&](std::size_t i) { return 1e-3 * std::min(1.0, std::abs(points[k][i])); };
          const auto shifted = [&](double steps) {
            Points moved = points;
            for (std::size_t i = 0; i < count; ++i) moved[k][i] += steps * step(i);
            return values_of(row, moved, form, executor);
          };
          const auto plus1 = shifted(1.0), minus1 = shifted(-1.0), plus2 = shifted(2.0), minus2 = shifted(-2.0);
          for (std::size_t i = 0; i < count; ++i) {
            const double numeric = (8.0 * (plus1[i] - minus1[i]) - (plus2[i] - minus2[i])) / (12.0 * step(i));
            const double derivative = derivatives[k * count + i];
            const double rounding = 1e-3 * std::abs(values[i]) / step(i);
            INFO("operand " << k << ", " << describe(points, i) << ": " << derivative << ", numeric " << numeric);
            CHECK(std::abs(derivative - numeric) <= 1e-10 * (std::abs(derivative) + rounding));
          }
        }
      }
    }
  }
}

TEST_CASE("NaN, infinity and huge numbers give the same on both executors") {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> few = {0.0, -0.0, 1.0, -2.5, 1e-310, infinity, -infinity, nan};
  const std::vector<double> many = {0.0,    -0.0,   1.0,   -1.0,   2.5,      -2.5,      1000.0, -1000.0,
                                    5e-324, 1e-310, 1e308, -1e308, infinity, -infinity, nan};
  for (const ag::ElementwiseRow& row : ag::elementwise_rows()) {
    const Points points = combinations(row, row.num_operands == 3 ? few : many);
    for (const Form form : forms) {
      INFO(row.name << (form == Form::dense ? ", dense" : ", per row"));
      const std::vector<double> values = values_of(row, points, form, ag::ExecutorKind::reference);
      const std::vector<double> derivatives = derivatives_of(row, points, form, ag::ExecutorKind::reference);
      check_values(row, values, values_of(row, points, form, ag::ExecutorKind::tiled), points, 2.0);
      check_derivatives(row, values, std::vector<std::optional<double>>(derivatives.begin(), derivatives.end()),
                        derivatives_of(row, points, form, ag::ExecutorKind::tiled), points, 2.0);
    }
  }
}

}  // namespace test_operators
