// Every row of operators.def, as a computation per row and as a dense one, on both executors: values and derivatives
// against 50-digit arithmetic, derivatives against finite differences, and what becomes of NaN and infinity.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <xtensor/xadapt.hpp>

#include "catch.hpp"
#include "compile/program.hpp"
#include "dsl/elementwise.hpp"
#include "evaluation.hpp"
#include "execute/kernel_set.hpp"

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

/// [operand][point]
using Points = std::vector<std::vector<double>>;

enum class Form { dense, per_row };
constexpr Form forms[] = {Form::dense, Form::per_row};

/// Allowed distance from the exact result in units of the last place. libm's functions are right to 1 or 2, glibc's
/// vector math to 4 by its specification; derivatives are products of a few of these.
struct Bounds {
  double value, derivative;
};

Bounds bounds(ag::ExecutorKind executor) {
  return executor == ag::ExecutorKind::reference ? Bounds{2.0, 4.0} : Bounds{4.0, 8.0};
}

std::string context(const ag::ElementwiseRow& row, Form form, ag::ExecutorKind executor) {
  return std::string(row.name) + (form == Form::dense ? ", dense, " : ", per row, ") + to_string(executor);
}

/// An operator at `points`, each of which is shifted by parameters of its own: `shifts` [operands * points].
struct Written {
  Expr shifts;
  Expr values;  // [points]
};

Written write(const ag::ElementwiseRow& row, const Points& points, Form form) {
  const std::size_t count = points[0].size();
  const Expr shifts = ag::parameters(row.num_operands * count);
  const xt::xtensor<double, 1> number = xt::arange<double>(static_cast<double>(count));
  WholeColumns columns{{"point", {number.begin(), number.end()}}};
  for (std::size_t k = 0; k < row.num_operands; ++k) columns.emplace_back(std::to_string(k), points[k]);
  const ag::Table table = deal("points", columns, uneven, ag::Communicator::world());
  const Expr is_point = equal(expand_dims(table["point"], 1), number);

  std::vector<Expr> operands;
  for (std::size_t k = 0; k < row.num_operands; ++k) {
    const auto first = static_cast<std::ptrdiff_t>(k * count);
    const Expr shift = view(shifts, ag::range(first, first + static_cast<std::ptrdiff_t>(count)));
    operands.push_back(form == Form::dense ? xt::adapt(points[k], {count}) + shift
                                           : table[std::to_string(k)] + sum(where(is_point, shift, 0.0), 1));
  }
  const Expr values = elementwise(row.kernel, operands, {});
  return {shifts, form == Form::dense ? values : sum(where(is_point, expand_dims(values, 1), 0.0), 0)};
}

/// Values at the points [points].
std::vector<double> values_of(const ag::ElementwiseRow& row, const Points& points, Form form,
                              ag::ExecutorKind executor) {
  const Written written = write(row, points, form);
  const std::vector<double> unshifted(row.num_operands * points[0].size());
  return evaluate(written.values, written.shifts, unshifted, ag::Communicator::world(), executor);
}

/// Derivatives by each operand [operands * points]. Each value has a weight, a power of two, so that the cotangents
/// that come to the operator are not all 1.
std::vector<double> derivatives_of(const ag::ElementwiseRow& row, const Points& points, Form form,
                                   ag::ExecutorKind executor) {
  const std::size_t count = points[0].size();
  const Written written = write(row, points, form);
  const xt::xarray<double> weights = xt::exp2(xt::fmod(xt::arange<double>(static_cast<double>(count)), 7.0) - 3.0);
  const std::vector<double> unshifted(row.num_operands * count);
  std::vector<double> result = evaluate_with_gradient(sum(written.values * weights), written.shifts, unshifted,
                                                      ag::Communicator::world(), executor)
                                   .gradient;
  for (std::size_t i = 0; i < result.size(); ++i) result[i] /= weights(i % count);
  return result;
}

/// All tuples of `values` for the operands of a row.
Points combinations(const ag::ElementwiseRow& row, const std::vector<double>& values) {
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

std::string describe(const Points& points, std::size_t i) {
  std::string text;
  for (const std::vector<double>& operand : points) text += fmt::format("{}{}", text.empty() ? "" : ", ", operand[i]);
  return "at (" + text + ")";
}

/// Checks [k * points] numbers for each operand, or [points] values, to some units of the last place.
void check_ulps(std::span<const double> expected, std::span<const double> actual, double bound, const Points& points) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO(describe(points, i % points[0].size()) << ": expected " << fmt::format("{}, got {}", expected[i], actual[i]));
    CHECK(ulps(expected[i], actual[i]) <= bound);
  }
}

/// An operator's entry of operators.json, where there is one.
struct Entry {
  Points points;
  std::vector<double> values, derivatives;  // [points], [operands * points]
};

std::optional<Entry> find_entry(const ag::ElementwiseRow& row) {
  static const Json entries = read_json("operators.json");
  const auto found = std::ranges::find_if(entries, [&](const Json& e) { return e.at("name") == row.name; });
  if (found == entries.end()) return std::nullopt;
  Entry entry{Points(row.num_operands), found->at("value").get<std::vector<double>>(), {}};
  for (std::size_t k = 0; k < row.num_operands; ++k) {
    for (const Json& point : found->at("points")) entry.points[k].push_back(point.at(k).get<double>());
    for (const Json& by_operand : found->at("derivative")) entry.derivatives.push_back(by_operand.at(k).get<double>());
  }
  return entry;
}

}  // namespace

TEST_CASE("values and derivatives equal 50-digit arithmetic") {
  std::size_t compared = 0;
  for (const ag::ElementwiseRow& row : ag::elementwise_rows()) {
    const auto entry = find_entry(row);
    if (!entry) continue;
    ++compared;
    for (const Form form : forms) {
      for (const ag::ExecutorKind executor : executors) {
        INFO(context(row, form, executor));
        const Bounds bound = bounds(executor);
        check_ulps(entry->values, values_of(row, entry->points, form, executor), bound.value, entry->points);
        check_ulps(entry->derivatives, derivatives_of(row, entry->points, form, executor), bound.derivative,
                   entry->points);
      }
    }
  }
  CHECK(compared >= 20);
}

TEST_CASE("kernels of every instruction set equal 50-digit arithmetic") {
  constexpr double untouched = -7.25;
  for (const ag::KernelSet& set : ag::available_kernel_sets()) {
    for (const ag::ElementwiseRow& row : ag::elementwise_rows()) {
      const auto entry = find_entry(row);
      if (!entry) continue;
      const std::size_t count = entry->values.size();
      for (std::size_t length = 1; length <= count; ++length) {  // whole batches and parts of one
        INFO(set.instruction_set << ", " << row.name << ", length " << length);
        std::vector<double> out(count + 1, untouched);
        const ag::KernelSteps steps{1, 0, {1, 1, 1}, {}};
        ag::KernelOperands operands{out.data(), {}};
        for (std::size_t k = 0; k < row.num_operands; ++k) operands.in[k] = entry->points[k].data();
        set.store[static_cast<std::size_t>(row.kernel)](steps, operands, 1, length);
        check_ulps(std::span(entry->values).first(length), std::span(out).first(length),
                   bounds(ag::ExecutorKind::tiled).value, entry->points);
        CHECK(out[length] == untouched);
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
  for (const ag::ElementwiseRow& row : ag::elementwise_rows()) {
    const Points points = combinations(
        row, {0.0, 1.0, -1.0, 2.5, -2.5, 1000.0, -1000.0, 1e-310, 1e308, -1e308, infinity, -infinity, nan});
    const Bounds bound = bounds(ag::ExecutorKind::tiled);
    for (const Form form : forms) {
      INFO(row.name << (form == Form::dense ? ", dense" : ", per row"));
      check_ulps(values_of(row, points, form, ag::ExecutorKind::reference),
                 values_of(row, points, form, ag::ExecutorKind::tiled), bound.value, points);
      check_ulps(derivatives_of(row, points, form, ag::ExecutorKind::reference),
                 derivatives_of(row, points, form, ag::ExecutorKind::tiled), bound.derivative, points);
    }
  }
}

namespace {

const ag::ElementwiseRow& row_of(std::string_view name) {
  return *std::ranges::find(ag::elementwise_rows(), name, &ag::ElementwiseRow::name);
}

/// Checks an operator and its derivative by the first operand at one point, in both forms on both executors.
void check_point(std::string_view name, const std::vector<double>& point, double value, double derivative) {
  Points points;
  for (double operand : point) points.push_back({operand});
  for (const Form form : forms) {
    for (const ag::ExecutorKind executor : executors) {
      INFO(context(row_of(name), form, executor) << ' ' << describe(points, 0));
      CHECK(ulps(value, values_of(row_of(name), points, form, executor)[0]) <= bounds(executor).value);
      CHECK(ulps(derivative, derivatives_of(row_of(name), points, form, executor)[0]) <= bounds(executor).derivative);
    }
  }
}

/// Checks the derivatives of a binary operator by both operands at one point, in both forms on both executors.
void check_derivatives(std::string_view name, double x, double y, double by_x, double by_y) {
  const Points points = {{x}, {y}};
  for (const Form form : forms) {
    for (const ag::ExecutorKind executor : executors) {
      INFO(context(row_of(name), form, executor) << ' ' << describe(points, 0));
      CHECK(derivatives_of(row_of(name), points, form, executor) == std::vector{by_x, by_y});
    }
  }
}

/// Checks a row that compares numbers with the C++ operator that it is named after.
template <class F>
void check_mask(std::string_view name, F expected) {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const Points points = combinations(row_of(name), {0.0, -0.0, 1.0, -1.0, 1e-310, 2.5, infinity, -infinity, nan});
  for (const Form form : forms) {
    for (const ag::ExecutorKind executor : executors) {
      const std::vector<double> values = values_of(row_of(name), points, form, executor);
      for (std::size_t i = 0; i < values.size(); ++i) {
        INFO(context(row_of(name), form, executor) << ' ' << describe(points, i));
        const bool truth =
            points.size() == 1 ? expected(points[0][i], points[0][i]) : expected(points[0][i], points[1][i]);
        CHECK(values[i] == (truth ? 1.0 : 0.0));
      }
    }
  }
}

}  // namespace

TEST_CASE("masks are 1 where C++ says true, else 0") {
  check_mask("less", [](double x, double y) { return x < y; });
  check_mask("less_equal", [](double x, double y) { return x <= y; });
  check_mask("greater", [](double x, double y) { return x > y; });
  check_mask("greater_equal", [](double x, double y) { return x >= y; });
  check_mask("equal", [](double x, double y) { return x == y; });
  check_mask("logical_and", [](double x, double y) { return x != 0.0 && y != 0.0; });
  check_mask("logical_or", [](double x, double y) { return x != 0.0 || y != 0.0; });
  check_mask("logical_not", [](double x, double) { return x == 0.0; });
}

TEST_CASE("where takes the second operand where the first is not 0") {
  for (const double mask : {1.0, -1.0, 1e-310, std::numeric_limits<double>::quiet_NaN()}) {
    check_point("where", {mask, 2.0, 3.0}, 2.0, 0.0);
  }
  check_point("where", {0.0, 2.0, 3.0}, 3.0, 0.0);
}

TEST_CASE("values and derivatives at the ends and kinks of a domain") {
  const double infinity = std::numeric_limits<double>::infinity();
  check_point("abs", {0.0}, 0.0, 0.0);
  check_point("sign", {0.0}, 0.0, 0.0);
  check_point("sign", {-2.5}, -1.0, 0.0);
  check_point("sign", {2.5}, 1.0, 0.0);
  check_point("maximum", {2.0, 2.0}, 2.0, 0.5);
  check_point("minimum", {2.0, 2.0}, 2.0, 0.5);
  check_point("sqrt", {0.0}, 0.0, infinity);
  check_point("log", {0.0}, -infinity, infinity);
  check_point("pow", {0.0, 2.0}, 0.0, 0.0);
  check_point("pow", {0.0, 1.0}, 0.0, 1.0);
  check_point("pow", {0.0, 0.0}, 1.0, 0.0);
  check_point("pow", {-2.0, 3.0}, -8.0, 12.0);
  check_point("pow", {10.0, 400.0}, infinity, infinity);
  check_point("pow", {10.0, -400.0}, 0.0, 0.0);
  check_point("exp", {1000.0}, infinity, infinity);
  check_point("exp", {-1000.0}, 0.0, 0.0);
  check_point("sigmoid", {1000.0}, 1.0, 0.0);
  check_point("sigmoid", {-1000.0}, 0.0, 0.0);
  check_point("tanh", {1000.0}, 1.0, 0.0);
  check_point("tanh", {-400.0}, -1.0, 0.0);
  check_point("erf", {40.0}, 1.0, 0.0);
  check_point("erf", {-infinity}, -1.0, 0.0);
  check_point("cosh", {1000.0}, infinity, infinity);
  check_point("erfinv", {1.0}, infinity, infinity);
  check_point("erfinv", {-1.0}, -infinity, infinity);
}

TEST_CASE("maximum and minimum share the derivative between equal numbers, infinite ones too") {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const double equal : {-infinity, -1.0, 0.0, 1e308, infinity}) {
    check_derivatives("maximum", equal, equal, 0.5, 0.5);
    check_derivatives("minimum", equal, equal, 0.5, 0.5);
  }
  check_derivatives("maximum", 0.0, -0.0, 0.5, 0.5);
  const std::pair<double, double> ascending[] = {
      {-infinity, infinity}, {-infinity, 2.0}, {2.0, infinity}, {-1e308, 1e308}};
  for (const auto& [low, high] : ascending) {
    check_derivatives("maximum", low, high, 0.0, 1.0);
    check_derivatives("maximum", high, low, 1.0, 0.0);
    check_derivatives("minimum", low, high, 1.0, 0.0);
    check_derivatives("minimum", high, low, 0.0, 1.0);
  }
  check_derivatives("maximum", nan, infinity, 0.0, 0.0);
  check_derivatives("minimum", 1.0, nan, 0.0, 0.0);
}

TEST_CASE("erfinv in each range of its polynomials") {
  // 40-digit arithmetic. The derivative, exp(erfinv(x)^2) but for a factor, has more error the larger erfinv is.
  const double known[][3] = {
      {0.25, 0.2253120550121781, 0.9323782346059726},        {-0.75, -0.8134198475976185, 1.7174997693674523},
      {0.998, 2.1851242191330043, 105.00265288464225},       {0.9995, 2.461266457171732, 378.81590018017334},
      {-0.99999, -3.123413274341571, 15289.601636085938},    {1.0 - 0x1p-30, 4.328028275800946, 120969199.12817393},
      {1.0 - 0x1p-53, 5.8635847487551676, 757347920544974.0}};
  for (const auto& [x, value, derivative] : known) {
    for (const Form form : forms) {
      for (const ag::ExecutorKind executor : executors) {
        INFO(context(row_of("erfinv"), form, executor) << ' ' << x);
        const double growth = 1.0 + 2.0 * value * value;
        CHECK(ulps(value, values_of(row_of("erfinv"), {{x}}, form, executor)[0]) <= bounds(executor).value);
        CHECK(ulps(derivative, derivatives_of(row_of("erfinv"), {{x}}, form, executor)[0]) <=
              growth * bounds(executor).derivative);
      }
    }
  }
}
