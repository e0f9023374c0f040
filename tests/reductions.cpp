// Reductions beside sum and mean, over lanes and over rows of all ranks: values against loops over whole arrays,
// gradients against finite differences of these, on both executors and in both modes of differentiation.
#include <cmath>

#include "array_values.hpp"
#include "catch.hpp"

namespace test_reductions {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Array;
using ag::Expr;

namespace {

using Numbers = std::vector<double>;

ag::Axes axes_of(const Lengths& a) {
  const auto axis = [&](std::size_t i) { return static_cast<std::ptrdiff_t>(a[i]); };
  switch (a.size()) {
    case 1: return axis(0);
    case 2: return {axis(0), axis(1)};
    default: return {axis(0), axis(1), axis(2)};
  }
}

double plain_mean_of(const Numbers& x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

double plain_var_of(const Numbers& x, double ddof = 0.0) {
  double sum = 0.0;
  for (const double number : x) sum += std::pow(number - plain_mean_of(x), 2);
  return sum / (static_cast<double>(x.size()) - ddof);
}

double plain_logsumexp_of(const Numbers& x) {
  double sum = 0.0;
  for (const double number : x) sum += std::exp(number);
  return std::log(sum);
}

/// What a reduction by `function` over axes is, by `body` on the numbers along them.
template <class Function, class Body>
Value reduced(Function function, Body body, const Value& x, const Lengths& axes) {
  return apply(
      function(x.expr, axes_of(axes)), [=](const Array& a) { return plain_reduce(a, axes, body); }, x);
}

/// Calls body(x, axes) for values of all kinds and some choices of axes: lanes, rows, and both.
template <class Body>
void for_each_choice(const Inputs& in, Body body) {
  body(in.params(), Lengths{0});
  body(in.matrix(), Lengths{1});
  body(in.matrix(), Lengths{0, 1});
  body(in.rows(), Lengths{0});
  body(in.rows_6(), Lengths{0});
  body(in.rows_6(), Lengths{1});
  body(in.six_rows(), Lengths{0, 1});
  body(in.two_rows_3(), Lengths{0, 2});
  body(in.two_rows_3(), Lengths{1});
  body(in.rows_2_2_3(), Lengths{1, 3});
  body(in.rows_2_2_3(), Lengths{0, 2});
}

template <class Function, class Body>
void check_everywhere(Function function, Body body, double tolerance = 1e-8) {
  const Inputs in = uneven_inputs();
  for_each_choice(in, [&](const Value& x, const Lengths& axes) {
    check_nonlinear(in, reduced(function, body, x, axes), tolerance);
  });
}

}  // namespace

#define REDUCTION(name) [](const Expr& operand, const ag::Axes& over) { return name(operand, over); }

TEST_CASE("prod over lanes") {
  const Inputs in = uneven_inputs();
  const auto plain = [](const Numbers& x) {
    double product = 1.0;
    for (const double number : x) product *= number;
    return product;
  };
  const std::vector<std::pair<Value, Lengths>> choices = {{in.params(), {0}},        {in.matrix(), {0, 1}},
                                                          {in.rows_6(), {1}},        {in.two_rows_3(), {0, 2}},
                                                          {in.rows_2_2_3(), {1, 3}}, {in.six_rows(), {0}}};
  for (const auto& [x, axes] : choices) check_nonlinear(in, reduced(REDUCTION(prod), plain, x, axes), 1e-7);
  const Expr p = ag::parameters(3), none = view(p, ag::range(0, 0));
  const Expr product = prod(p) + prod(none) + sum(prod(expand_dims(none, 0), 1));
  for (const ag::ExecutorKind executor : executors) {  // the derivative at 0 is the product of the others
    const LossAndGradient at_zero = evaluate_with_gradient(product, p, {2.0, 0.0, 5.0}, self(), executor);
    CHECK(at_zero.loss == 2.0);
    CHECK(at_zero.gradient == Numbers{0.0, 10.0, 0.0});
  }
}

TEST_CASE("var and stddev") {
  check_everywhere(REDUCTION(var), [](const Numbers& x) { return plain_var_of(x); });
  check_everywhere(REDUCTION(stddev), [](const Numbers& x) { return std::sqrt(plain_var_of(x)); });
  const Inputs in = uneven_inputs();
  const auto with_ddof = [](const Expr& x, const ag::Axes& axes) { return var(x, axes, 1.0); };
  check_nonlinear(in, reduced(with_ddof, [](const Numbers& x) { return plain_var_of(x, 1.0); }, in.rows(), {0}));
}

TEST_CASE("the variance of numbers far from 0 does not cancel") {
  const Inputs in = uneven_inputs();
  const Expr far = 1e8 + in.column("u").expr;
  const Numbers params(Inputs::num_params, 1.0);
  Array u = in.column("u").plain(Array());
  const double expected = plain_var_of(Numbers(u.begin(), u.end()));
  for (const ag::ExecutorKind executor : executors) {
    const auto actual = evaluate(var(far), in.parameter_vector(), params, in.communicator(), executor);
    CHECK(std::abs(actual[0] - expected) < 1e-7 * expected);  // of which 1e8 + u has lost as much
  }
}

TEST_CASE("average with weights that broadcast") {
  const Inputs in = uneven_inputs();
  const Value x = in.rows_6(),
              w = apply(
                  square(in.column("v").expr), [](const Array&v) { return Array(v * v); }, in.column("v"));
  const auto plain = [](const Array& a, const Array& v) {
    return Array(plain_sum(a * plain_expand(v, 1), {0}) / xt::sum(v)());
  };
  check(in, apply(ag::average(x.expr, expand_dims(w.expr, 1), 0), plain, x, w));
  const xt::xarray<double> weights = {1.0, 2.0, 0.5, 0.0, 3.0, 1.0};
  const auto plain_lanes = [weights](const Array& a) { return Array(plain_sum(a * weights, {1}) / 7.5); };
  check(in, apply(ag::average(x.expr, weights, 1), plain_lanes, x));
}

TEST_CASE("amax and amin") {
  check_everywhere(REDUCTION(amax), [](const Numbers& x) { return *std::ranges::max_element(x); });
  check_everywhere(REDUCTION(amin), [](const Numbers& x) { return *std::ranges::min_element(x); });
}

TEST_CASE("equal largest elements share the gradient, on whichever ranks they are") {
  const Inputs in({3, 1, 0, 2});
  const std::size_t total = rows_of_all({3, 1, 0, 2});
  const Expr& p = in.parameter_vector();
  const Expr lanes = amax(p), rows = amax(in.column("u").expr * 0.0 + p[1]);
  const Expr some = amax(where(in.column("u").expr > 0.0, p[2], p[3]));  // equal ones
  const Array u = in.column("u").plain(Array());
  double positive = 0.0;
  for (const double number : u) positive += number > 0.0 ? 1.0 / static_cast<double>(total) : 0.0;
  for (const ag::ExecutorKind executor : executors) {
    for (const ag::GradientMode mode : {ag::GradientMode::reverse, ag::GradientMode::forward}) {
      const auto at = [&](const Expr& loss, const Numbers& params) {
        return evaluate_with_gradient(loss, p, params, in.communicator(), executor, {}, mode);
      };
      check_close(Numbers{0.0, 0.5, 0.0, 0.0, 0.5, 0.0}, at(lanes, {1.0, 3.0, 2.0, 0.0, 3.0, -1.0}).gradient, 1e-15);
      check_close(Numbers{0.0, 1.0, 0.0, 0.0, 0.0, 0.0}, at(rows, Numbers(6, 1.0)).gradient, 1e-14);
      check_close(Numbers{0.0, 0.0, positive, 1.0 - positive, 0.0, 0.0}, at(some, Numbers(6, 1.5)).gradient, 1e-14);
    }
  }
}

TEST_CASE("NaN, infinities and no elements in amax, amin and logsumexp") {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
  const Expr p = ag::parameters(1);
  for (const ag::ExecutorKind executor : executors) {
    const auto value = [&](const Expr& expr) { return evaluate(expr, p, {1.0}, self(), executor)[0]; };
    const auto of = [&](std::initializer_list<double> numbers) { return xt::xarray<double>(numbers) * p[0]; };
    CHECK(std::isnan(value(amax(of({1.0, nan, 2.0})))));
    CHECK(std::isnan(value(amin(of({nan, 3.0})))));
    CHECK(value(amax(of({-inf, -inf}))) == -inf);
    CHECK(value(amin(of({2.0, -inf}))) == -inf);
    CHECK(value(logsumexp(of({-inf, -inf}))) == -inf);
    CHECK(value(logsumexp(of({inf, 1.0}))) == inf);
    CHECK(std::isnan(value(logsumexp(of({nan, 1.0})))));
    CHECK(value(logsumexp(of({1000.0, 1000.0}))) == 1000.0 + std::log(2.0));
    CHECK(value(logsumexp(of({-1000.0, -1000.0}))) == -1000.0 + std::log(2.0));
    CHECK(value(logsumexp(view(p, ag::range(0, 0)))) == -inf);
  }
}

TEST_CASE("logsumexp, softmax and log_softmax") {
  check_everywhere(REDUCTION(logsumexp), plain_logsumexp_of);
  const Inputs in = uneven_inputs();
  for_each_choice(in, [&](const Value& x, const Lengths& axes) {
    const auto plain_log = [axes](const Array& a) {
      const Array sums = plain_reduce(a, axes, plain_logsumexp_of);
      return generate(shape_of(a),
                      [&](const Lengths& i) { return element(a, i) - element(sums, without_axes(i, axes)); });
    };
    check_nonlinear(in, apply(log_softmax(x.expr, axes_of(axes)), plain_log, x));
    check_nonlinear(
        in, apply(
                softmax(x.expr, axes_of(axes)), [=](const Array& a) { return Array(xt::exp(plain_log(a))); }, x));
  });
  const Expr p = ag::parameters(1);
  for (const ag::ExecutorKind executor : executors) {
    const Expr far = xt::xarray<double>{-800.0, 0.0, 800.0} * p[0];
    check_close(Numbers{-1600.0, -800.0, 0.0}, evaluate(log_softmax(far), p, {1.0}, self(), executor), 1e-15);
    check_close(Numbers{0.0, 0.0, 1.0}, evaluate(softmax(far), p, {1.0}, self(), executor), 1e-15);
  }
}

TEST_CASE("norms") {
  check_everywhere(REDUCTION(norm_l1), [](const Numbers& x) {
    double sum = 0.0;
    for (const double number : x) sum += std::abs(number);
    return sum;
  });
  check_everywhere(REDUCTION(norm_l2), [](const Numbers& x) {
    double sum = 0.0;
    for (const double number : x) sum += number * number;
    return std::sqrt(sum);
  });
}

TEST_CASE("count_nonzero, all, any, argmax and argmin") {
  const Inputs in = uneven_inputs();
  const Numbers params(Inputs::num_params, 1.0);
  const Array u = in.column("u").plain(Array());
  const double positive = static_cast<double>(std::ranges::count_if(u, [](double x) { return x > 0.0; }));
  const Expr mask = in.column("u").expr * in.parameter_vector()[0] > 0.0;
  const xt::xarray<double> numbers = {{3.0, 0.0, 3.0}, {std::nan(""), 2.0, -1.0}};
  const Expr x = numbers * in.parameter_vector()[0];
  for (const ag::ExecutorKind executor : executors) {
    const auto value = [&](const Expr& e) {
      return evaluate(e, in.parameter_vector(), params, in.communicator(), executor);
    };
    CHECK(value(count_nonzero(mask)) == Numbers{positive});
    CHECK(value(all(mask)) == Numbers{0.0});
    CHECK(value(any(mask)) == Numbers{1.0});
    CHECK(value(all(mask < 2.0)) == Numbers{1.0});
    CHECK(value(any(mask > 2.0)) == Numbers{0.0});
    CHECK(value(count_nonzero(x, 1)) == Numbers{2.0, 3.0});
    CHECK(value(all(x, 1)) == Numbers{0.0, 1.0});
    CHECK(value(argmax(x, 1)) == Numbers{0.0, 0.0});
    CHECK(value(argmin(x, 1)) == Numbers{1.0, 0.0});
    CHECK(value(argmax(x, 0)) == Numbers{1.0, 1.0, 0.0});
    const Expr of_rows = argmin(in.two_rows_3().expr, 0) + expand_dims(argmax(in.rows_6().expr, 1), 1) * 0.0;
    const Array plain = in.two_rows_3().plain(xt::ones<double>({6}));
    double expected = 0.0;
    for (std::size_t row = 0; row < plain.shape()[1]; ++row) {
      for (std::size_t i = 0; i < 3; ++i) expected += plain(1, row, i) < plain(0, row, i) ? 1.0 : 0.0;
    }
    CHECK(value(sum(of_rows)) == Numbers{expected});
  }
}

}  // namespace test_reductions
