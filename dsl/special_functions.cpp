#include "dsl/special_functions.hpp"

#include <boost/math/special_functions/digamma.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/special_functions/polygamma.hpp>
#include <cmath>
#include <limits>

namespace allgrad::special {

namespace {

namespace policies = boost::math::policies;

/// Infinities and NaN instead of exceptions. Computed in long double where digits cancel in double.
template <bool in_long_double>
using PolicyOf = policies::policy<
    policies::domain_error<policies::ignore_error>, policies::pole_error<policies::ignore_error>,
    policies::overflow_error<policies::ignore_error>, policies::underflow_error<policies::ignore_error>,
    policies::denorm_error<policies::ignore_error>, policies::rounding_error<policies::ignore_error>,
    policies::evaluation_error<policies::ignore_error>, policies::indeterminate_result_error<policies::ignore_error>,
    policies::promote_float<false>, policies::promote_double<in_long_double>>;
using Policy = PolicyOf<false>;
using PrecisePolicy = PolicyOf<true>;

constexpr double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();

bool is_pole(double x) { return x <= 0.0 && x == std::floor(x); }

/// Values of the incomplete gamma functions where one of the arguments is at an end, as SciPy has them; `at_zero` and
/// `at_infinity` are those of x there.
template <class F>
double incomplete_gamma(double a, double x, double at_zero, double at_infinity, F inside) {
  if (std::isnan(a) || std::isnan(x) || a < 0.0 || x < 0.0) return nan;
  if (a == 0.0) return x > 0.0 ? at_infinity : nan;
  if (std::isinf(a)) return std::isinf(x) ? nan : at_zero;
  if (x == 0.0) return at_zero;
  return std::isinf(x) ? at_infinity : inside();
}

}  // namespace

double fmod(double x, double y) noexcept { return std::fmod(x, y); }

double lgamma(double x) noexcept {
  if (std::isnan(x)) return x;
  if (std::isinf(x) || is_pole(x)) return infinity;
  if (std::abs(x) < 1e-300) return -std::log(std::abs(x));
  return x < 0.0 ? boost::math::lgamma(x, PrecisePolicy()) : boost::math::lgamma(x, Policy());
}

double digamma(double x) noexcept {
  if (std::isnan(x) || x == infinity) return x;
  if (x == 0.0) return std::copysign(infinity, -x);
  if (std::isinf(x) || is_pole(x)) return nan;
  if (std::abs(x) < 1e-300) return -1.0 / x;
  return boost::math::digamma(x, Policy());
}

double polygamma(double n, double x) noexcept {
  const bool is_order = n >= 0.0 && n <= 1000.0 && n == std::floor(n);
  if (std::isnan(x) || !is_order || x == -infinity) return nan;
  if (n == 0.0) return digamma(x);
  if (x == infinity) return 0.0;
  if (is_pole(x)) return std::fmod(n, 2.0) == 1.0 ? infinity : nan;
  return boost::math::polygamma(static_cast<int>(n), x, Policy());
}

double norm_ppf(double x) noexcept {
  constexpr double root_2 = 1.4142135623730950488;
  if (!(x >= 0.0 && x <= 1.0)) return nan;
  if (x == 0.0 || x == 1.0) return x == 0.0 ? -infinity : infinity;
  return -root_2 * boost::math::erfc_inv(2.0 * x, Policy());
}

double erfcx_derivative(double x) noexcept {
  constexpr long double inverse_root_pi = 0.564189583547756286948L;
  if (x > 12.0) {  // asymptotic series: -1 / (sqrt(pi) x^2) * (1 - 3 t + 3 * 5 t^2 - ...) with t = 1 / (2 x^2)
    const double t = 0.5 / (x * x);
    double sum = 1.0;
    for (int k = 12; k > 0; --k) sum = 1.0 - (2.0 * k + 1.0) * t * sum;
    return -(0.564189583547756286948 / x) * sum / x;
  }
  // 2 x erfcx(x) - 2 / sqrt(pi), where up to 8 of the 11 more bits of long double cancel
  const long double wide = x, square = wide * wide, square_error = std::fma(wide, wide, -square);
  const long double scaled = std::exp(square) * std::erfc(wide);
  return static_cast<double>(2.0L * (wide * (scaled + scaled * square_error) - inverse_root_pi));
}

double gammainc(double a, double x) noexcept {
  return incomplete_gamma(a, x, 0.0, 1.0, [&] { return boost::math::gamma_p(a, x, PrecisePolicy()); });
}

double gammaincc(double a, double x) noexcept {
  return incomplete_gamma(a, x, 1.0, 0.0, [&] { return boost::math::gamma_q(a, x, PrecisePolicy()); });
}

double gammainc_derivative(double a, double x) noexcept {
  if (x == 0.0 && a > 0.0) return a < 1.0 ? infinity : a == 1.0 ? 1.0 : 0.0;
  return incomplete_gamma(a, x, 0.0, 0.0, [&] { return boost::math::gamma_p_derivative(a, x, PrecisePolicy()); });
}

}  // namespace allgrad::special
