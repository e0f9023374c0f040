// Rows of operators.def by name: masks, steps, kinks, the ends of domains, and poles.
#include <cmath>
#include <limits>

#include "allgrad/error.hpp"
#include "check_error.hpp"
#include "execute/kernel_set.hpp"
#include "operator_evaluation.hpp"

namespace test_operator_points {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

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
      const Bounds bound = bounds(row_of(name), points, 0, value);
      CHECK(ulps(value, values_of(row_of(name), points, form, executor)[0]) <= bound.value);
      CHECK(ulps(derivative, derivatives_of(row_of(name), points, form, executor)[0]) <= bound.derivative);
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

TEST_CASE("the density of the gamma distribution has the limits of its derivatives at 0") {
  const double infinity = std::numeric_limits<double>::infinity();
  check_derivatives("gammainc_derivative", 3.0, 0.0, 0.0, 0.0);
  check_derivatives("gammainc_derivative", 2.0, 0.0, 0.0, 1.0);
  check_derivatives("gammainc_derivative", 1.5, 0.0, 0.0, infinity);
  check_derivatives("gammainc_derivative", 1.0, 0.0, -infinity, -1.0);
  check_derivatives("gammainc_derivative", 0.5, 0.0, -infinity, -infinity);
}

TEST_CASE("what rounds to whole numbers is what C++ and NumPy have, to the sign of zero") {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> numbers = {0.0,
                                       0.2,
                                       0.49999999999999994,
                                       0.5,
                                       0.9999999999999999,
                                       1.5,
                                       2.5,
                                       3.7,
                                       1e15 + 0.5,
                                       4503599627370497.5,
                                       9007199254740993.0,
                                       1e19,
                                       1e300,
                                       1e-310,
                                       infinity,
                                       nan};
  const auto check = [&](std::string_view name, double (*expected)(double)) {
    for (const double sign : {1.0, -1.0}) {
      std::vector<double> x;
      for (const double number : numbers) x.push_back(sign * number);
      for (const ag::KernelSet& set : ag::available_kernel_sets()) {
        std::vector<double> out(x.size());
        set.store[static_cast<std::size_t>(row_of(name).kernel)]({1, 0, {1, 1, 1}, {}}, {out.data(), {x.data()}}, 1,
                                                                 x.size());
        for (std::size_t i = 0; i < x.size(); ++i) {
          INFO(set.instruction_set << ", " << name << ' ' << fmt::format("{}: {}", x[i], out[i]));
          CHECK(ulps(expected(x[i]), out[i]) == 0.0);
          CHECK((std::isnan(x[i]) || std::signbit(expected(x[i])) == std::signbit(out[i])));
        }
      }
      for (const Form form : forms) {
        const std::vector<double> values = values_of(row_of(name), {x}, form, ag::ExecutorKind::reference);
        for (std::size_t i = 0; i < x.size(); ++i) CHECK(ulps(expected(x[i]), values[i]) == 0.0);
      }
    }
  };
  check("floor", [](double x) { return std::floor(x); });
  check("ceil", [](double x) { return std::ceil(x); });
  check("trunc", [](double x) { return std::trunc(x); });
  check("round", [](double x) { return std::nearbyint(x); });  // halves to even
}

TEST_CASE("values at poles, infinities and NaN are those of SciPy, NumPy or C") {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const std::tuple<std::string_view, std::vector<double>, double> known[] = {
      {"lgamma", {0.0}, infinity},
      {"lgamma", {-1.0}, infinity},
      {"lgamma", {-infinity}, infinity},
      {"lgamma", {infinity}, infinity},
      {"lgamma", {1e-310}, 713.8013788281542},
      {"lgamma", {-2.5}, -0.05624371649767405},
      {"digamma", {0.0}, -infinity},
      {"digamma", {-0.0}, infinity},
      {"digamma", {-1.0}, nan},
      {"digamma", {infinity}, infinity},
      {"digamma", {-0.5}, 0.03648997397857652},
      {"polygamma", {1.0, 0.0}, infinity},
      {"polygamma", {1.5, 1.0}, nan},
      {"polygamma", {0.0, 1.0}, -0.5772156649015329},
      {"polygamma", {1.0, infinity}, 0.0},
      {"gammainc", {0.0, 1.0}, 1.0},
      {"gammainc", {0.0, 0.0}, nan},
      {"gammainc", {1.0, infinity}, 1.0},
      {"gammainc", {infinity, 1.0}, 0.0},
      {"gammainc", {-1.0, 1.0}, nan},
      {"gammainc", {1.0, -1.0}, nan},
      {"gammainc", {2.0, 0.0}, 0.0},
      {"gammaincc", {0.0, 1.0}, 0.0},
      {"gammaincc", {1.0, infinity}, 0.0},
      {"gammaincc", {infinity, 1.0}, 1.0},
      {"gammaincc", {2.0, 0.0}, 1.0},
      {"gammainc_derivative", {1.0, 0.0}, 1.0},
      {"gammainc_derivative", {0.5, 0.0}, infinity},
      {"gammainc_derivative", {2.0, 0.0}, 0.0},
      {"norm_ppf", {0.0}, -infinity},
      {"norm_ppf", {1.0}, infinity},
      {"norm_ppf", {1.5}, nan},
      {"norm_ppf", {0.5}, 0.0},
      {"norm_cdf", {-infinity}, 0.0},
      {"norm_cdf", {infinity}, 1.0},
      {"norm_cdf", {-40.0}, 0.0},
      {"norm_cdf", {nan}, nan},
      {"log_norm_cdf", {-infinity}, -infinity},
      {"log_norm_cdf", {infinity}, 0.0},
      {"log_norm_cdf", {nan}, nan},
      {"norm_pdf", {infinity}, 0.0},
      {"erfcx", {infinity}, 0.0},
      {"erfcx", {-30.0}, infinity},
      {"erfcx", {-infinity}, infinity},
      {"erfcx", {nan}, nan},
      {"erfcx", {0.0}, 1.0},
      {"erfc", {-infinity}, 2.0},
      {"erfc", {infinity}, 0.0},
      {"softplus", {-1000.0}, 0.0},
      {"softplus", {1000.0}, 1000.0},
      {"softplus", {infinity}, infinity},
      {"log_sigmoid", {-1000.0}, -1000.0},
      {"log_sigmoid", {infinity}, 0.0},
      {"sigmoid", {-infinity}, 0.0},
      {"sigmoid", {infinity}, 1.0},
      {"sigmoid", {nan}, nan},
      {"logaddexp", {-infinity, -infinity}, -infinity},
      {"logaddexp", {infinity, infinity}, infinity},
      {"logaddexp", {infinity, -infinity}, infinity},
      {"logaddexp", {-infinity, 2.0}, 2.0},
      {"logaddexp", {nan, 1.0}, nan},
      {"logaddexp", {1.0, nan}, nan},
      {"xlogy", {0.0, 0.0}, 0.0},
      {"xlogy", {0.0, nan}, nan},
      {"xlogy", {0.0, -1.0}, 0.0},
      {"xlogy", {1.0, 0.0}, -infinity},
      {"xlog1py", {0.0, -1.0}, 0.0},
      {"xlog1py", {0.0, nan}, nan},
      {"hypot", {infinity, nan}, infinity},
      {"hypot", {nan, 1.0}, nan},
      {"hypot", {0.0, 0.0}, 0.0},
      {"atan2", {0.0, -1.0}, 3.141592653589793},
      {"atan2", {-0.0, -1.0}, -3.141592653589793},
      {"atan2", {0.0, 0.0}, 0.0},
      {"fmod", {1.0, 0.0}, nan},
      {"fmod", {1.0, infinity}, 1.0},
      {"fmod", {infinity, 1.0}, nan},
      {"fmod", {1e300, 7.0}, 1.0},
      {"fmod", {-7.5, 2.0}, -1.5},
      {"clip", {5.0, 0.0, 1.0}, 1.0},
      {"clip", {-5.0, 0.0, 1.0}, 0.0},
      {"clip", {0.5, 2.0, 1.0}, 1.0},
      {"clip", {nan, 0.0, 1.0}, nan},
      {"clip", {0.5, nan, 1.0}, nan},
      {"clip", {0.5, 0.0, nan}, nan},
      {"isfinite", {infinity}, 0.0},
      {"isfinite", {nan}, 0.0},
      {"isfinite", {1e308}, 1.0},
      {"isinf", {-infinity}, 1.0},
      {"isinf", {nan}, 0.0},
      {"isinf", {1e308}, 0.0},
      {"safe_multiply", {0.0, infinity}, 0.0},
      {"safe_multiply", {nan, 0.0}, 0.0},
      {"safe_multiply", {2.0, nan}, nan},
      {"safe_multiply", {2.0, infinity}, infinity},
      {"safe_multiply", {infinity, nan}, nan},
      {"log1p", {-1.0}, -infinity},
      {"expm1", {-infinity}, -1.0},
      {"acosh", {0.5}, nan},
      {"atanh", {1.0}, infinity},
      {"asin", {2.0}, nan},
      {"cbrt", {-8.0}, -2.0},
      {"cbrt", {-infinity}, -infinity}};
  for (const auto& [name, point, value] : known) {
    Points points;
    for (const double operand : point) points.push_back({operand});
    for (const ag::ExecutorKind executor : executors) {
      INFO(context(row_of(name), Form::dense, executor) << ' ' << describe(points, 0));
      CHECK(ulps(value, values_of(row_of(name), points, Form::dense, executor)[0]) <= 4.0);
    }
  }
}

TEST_CASE("a derivative that there is not is refused with the line of the operator") {
  const auto found = caught<ag::ExpressionError>([](unsigned& line) {
    const Expr params = ag::parameters(1);
    line = __LINE__ + 1;
    const Expr loss = gammainc(params[0], 2.0);
    ag::compile(loss, params, ag::Communicator::world()).value({{1.0}});
    std::vector<double> gradient(1);
    ag::compile(loss, params, ag::Communicator::world()).value_and_gradient({{1.0}}, gradient);
  });
  check_parts(found.text, {"gammainc has no derivative by operand 1"});
  CHECK(found.where.line == found.expected_line);
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
        const Bounds bound = bounds(row_of("erfinv"), {{x}}, 0, value);
        CHECK(ulps(value, values_of(row_of("erfinv"), {{x}}, form, executor)[0]) <= bound.value);
        CHECK(ulps(derivative, derivatives_of(row_of("erfinv"), {{x}}, form, executor)[0]) <= bound.derivative);
      }
    }
  }
}

}  // namespace test_operator_points
