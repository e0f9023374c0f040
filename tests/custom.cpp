// Functions of the user's in a graph: on replicated values, per row and per rank, with vjp and jvp; what they throw and
// return wrongly; and check_gradient, which finds a wrong derivative.
#include <bit>
#include <cmath>
#include <stdexcept>

#include "array_values.hpp"
#include "check_error.hpp"
#include "said.hpp"
#include "world.hpp"

namespace test_custom {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Array;
using ag::Expr;

namespace {

/// a * exp(b) of arrays that broadcast against each other by their last axes, with all derivatives; `wrong` is a factor
/// on that by the second operand.
ag::CustomFunction scaled_exp(double wrong = 1.0) {
  const auto sum_to = [](const Array& x, const Array& like) -> Array {
    Array result = x;
    while (result.dimension() > like.dimension()) result = Array(xt::sum(result, 0));
    for (std::size_t axis = 0; axis < like.dimension(); ++axis) {
      if (like.shape()[axis] == 1 && result.shape()[axis] != 1) {
        result = Array(xt::sum(result, {axis}, xt::keep_dims));
      }
    }
    return result;
  };
  return {
      .value = [](const auto& x) { return Array(x[0] * xt::exp(x[1])); },
      .vjp =
          [=](const auto& x, const Array& value, const Array& cotangent) {
            return std::vector<Array>{sum_to(cotangent * xt::exp(x[1]), x[0]), sum_to(wrong * cotangent * value, x[1])};
          },
      .jvp = [=](const auto& x, const Array& value,
                 const auto& tangents) { return Array(tangents[0] * xt::exp(x[1]) + wrong * value * tangents[1]); }};
}

Array plain_scaled_exp(const Array& a, const Array& b) { return a * xt::exp(b); }

ag::Shape shape_like(const Expr& x) { return x.shape(); }

}  // namespace

TEST_CASE("custom functions of replicated values, of rows, and of both") {
  const Inputs in = uneven_inputs();
  const Value p = in.params(), m = in.matrix(), wide = in.rows_6(), flat = in.six_rows(), deep = in.rows_2_2_3();
  check_nonlinear(in, apply(ag::custom("f", {p.expr, p.expr}, {6}, scaled_exp()), plain_scaled_exp, p, p));
  check_nonlinear(in, apply(ag::custom("f", {m.expr, m.expr}, {2, 3}, scaled_exp()), plain_scaled_exp, m, m));
  check_nonlinear(
      in, apply(ag::custom("f", {wide.expr, p.expr}, shape_like(wide.expr), scaled_exp()), plain_scaled_exp, wide, p));
  check_nonlinear(
      in, apply(ag::custom("f", {p.expr, wide.expr}, shape_like(wide.expr), scaled_exp()), plain_scaled_exp, p, wide));
  check_nonlinear(in, apply(ag::custom("f", {wide.expr, wide.expr}, shape_like(wide.expr), scaled_exp()),
                            plain_scaled_exp, wide, wide));
  // Operands whose row axis is not the first, and two of which are per row.
  check_nonlinear(in, apply(ag::custom("f", {flat.expr, flat.expr}, shape_like(flat.expr), scaled_exp()),
                            plain_scaled_exp, flat, flat));
  const Value middle = expand(m, 1);  // [2, 1, 3]
  check_nonlinear(in, apply(ag::custom("f", {deep.expr, middle.expr}, shape_like(deep.expr), scaled_exp()),
                            plain_scaled_exp, deep, middle));
}

TEST_CASE("a custom function of a sum over rows gets the total, one of a rank's own value that") {
  const Inputs in = uneven_inputs();
  const Value sums = apply(
      sum(in.rows_6().expr, 0), [](const Array& x) { return plain_sum(x, {0}); }, in.rows_6());
  CHECK(sums.expr.placement() == ag::Placement::partial);
  check_nonlinear(in, apply(ag::custom("f", {sums.expr, sums.expr}, {6}, scaled_exp()), plain_scaled_exp, sums, sums));

  const Expr own = ag::rank_constant(static_cast<double>(world().rank() + 1)) * in.scalar().expr;
  const Expr value = ag::custom("square", {own}, {}, {.value = [](const auto& x) { return Array(x[0] * x[0]); }});
  CHECK(value.placement() == ag::Placement::per_rank);
  double expected = 0.0;
  for (int rank = 0; rank < world().size(); ++rank) expected += (rank + 1.0) * (rank + 1.0) * 0.25;
  CHECK(evaluate(reduce_sum(value), in.parameter_vector(), std::vector<double>(6, 0.5), in.communicator(),
                 ag::ExecutorKind::tiled)[0] == expected);
}

TEST_CASE("two functions of one name are two functions") {
  const Inputs in = uneven_inputs();
  const auto times = [&](double factor) {
    return ag::custom("f", {in.rows().expr}, in.rows().expr.shape(),
                      {.value = [=](const auto& x) { return Array(factor * x[0]); }});
  };
  const Value difference = apply(
      times(5.0) - times(2.0), [](const Array& x) { return Array(3.0 * x); }, in.rows());
  const Value value = total(in, difference);
  const std::vector<double> at = noise_column(6, 3, 0.5, 1.5);
  const Array expected = value.plain(xt::adapt(at, Lengths{6}));
  CHECK(evaluate(value.expr, in.parameter_vector(), at, in.communicator(), ag::ExecutorKind::tiled)[0] ==
        Approx(expected()).epsilon(1e-13));
}

TEST_CASE("without jvp a gradient is computed, a Jacobian and a Hessian are errors; without vjp a gradient is") {
  const Inputs in = uneven_inputs();
  const Expr p = in.parameter_vector(), wide = in.rows_6().expr;
  const std::vector<double> at = noise_column(6, 3, 0.5, 1.5);
  ag::CustomFunction no_jvp = scaled_exp(), no_vjp = scaled_exp();
  no_jvp.jvp = nullptr;
  no_vjp.vjp = nullptr;
  const auto loss_of = [&](ag::CustomFunction f) {
    return sum(ag::custom("lens", {wide, p}, wide.shape(), std::move(f)));
  };
  const auto expected = evaluate_with_gradient(sum(wide * exp(p)), p, at, in.communicator(), ag::ExecutorKind::tiled);
  const auto actual = evaluate_with_gradient(loss_of(no_jvp), p, at, in.communicator(), ag::ExecutorKind::tiled);
  CHECK(actual.loss == Approx(expected.loss).epsilon(1e-13));
  check_close(expected.gradient, actual.gradient, 1e-12);

  std::vector<double> gradient(6), hessian(36);
  for (const bool has_jvp : {true, false}) {
    ag::CompiledGraph graph = compile(loss_of(has_jvp ? scaled_exp() : no_jvp), p, in.communicator());
    check_error<ag::ExpressionError>({"custom \"lens\"", has_jvp ? "no Hessian" : "there is no jvp; give it one"},
                                     [&](unsigned&) {
                                       try {
                                         graph.value_gradient_and_hessian(at, gradient, hessian, ag::Curvature::exact);
                                       } catch (const ag::ExpressionError& error) {
                                         throw ag::ExpressionError(error.what());
                                       }
                                     });
  }
  check_error<ag::ExpressionError>({"custom \"lens\": a gradient is asked for, and there is no vjp; give it one"},
                                   [&](unsigned& line) {
                                     line = __LINE__ + 1;
                                     const Expr value = ag::custom("lens", {wide, p}, wide.shape(), no_vjp);
                                     compile(sum(value), p, in.communicator());
                                   });
}

TEST_CASE("what a custom function throws on one rank is raised on all, with its line") {
  // Each rank has a row, so that the function is called on each.
  const Inputs in({2});
  const Expr p = in.parameter_vector(), rows = in.rows().expr;
  const std::vector<double> at = noise_column(6, 3);
  const ag::CustomFunction failing{
      .value = [](const auto& x) -> Array {
        if (is_culprit()) throw std::runtime_error("no entry for 7");
        return x[0];
      },
      .vjp = [](const auto&, const Array&, const Array& cotangent) { return std::vector<Array>{cotangent}; }};
  for (const ag::ExecutorKind executor : executors) {
    INFO(to_string(executor));
    const unsigned line = __LINE__ + 1;
    const Expr value = ag::custom("table lookup", {rows}, rows.shape(), failing);
    ag::CompiledGraph graph = compile(sum(value) * 0.0, p, in.communicator(), {.executor = executor});
    try {
      graph.value(at);
      FAIL_CHECK("nothing was thrown");
    } catch (const ag::Error& error) {
      const std::string text = error.what();
      CHECK(text.find("custom \"table lookup\": its value() threw: no entry for 7") != std::string::npos);
      CHECK(text.find(ag::SourceLocation{__FILE__, line}.str()) != std::string::npos);
    }
    CHECK(compile(sum(rows * rows), p, in.communicator()).value(at) > 0.0);  // the communicator is as before
  }
}

TEST_CASE("wrong shapes are told with those expected") {
  const Inputs in({2});
  const Expr p = in.parameter_vector(), rows = in.rows().expr;
  const auto first = [](const auto& x) { return Array(x[0]); };
  check_error<ag::ExpressionError>({"custom", "give its shape that axis, and sum over rows what it returns"},
                                   [&](unsigned& line) {
                                     line = __LINE__ + 1;
                                     ag::custom("f", {rows}, {3}, {.value = first});
                                   });
  check_error<ag::ExpressionError>({"the value is per row, but no operand is"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::custom("f", {p}, rows.shape(), {.value = first});
  });
  check_error<ag::ExpressionError>({"custom \"f\": there is no function that computes its value"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::custom("f", {p}, {6}, {});
  });
  check_error<ag::ExpressionError>({"custom \"f\": expected a value of shape [3], [3] with the rows at hand, got [6]"},
                                   [&](unsigned& line) {
                                     line = __LINE__ + 1;
                                     const Expr value = ag::custom("f", {p}, {3}, {.value = first});
                                     evaluate(value, p, noise_column(6, 3), in.communicator(), ag::ExecutorKind::tiled);
                                   });
  ag::CustomFunction f = scaled_exp();
  f.vjp = [](const auto&, const Array&, const Array& cotangent) { return std::vector<Array>{cotangent}; };
  check_error<ag::ExpressionError>({"custom \"f\": expected the cotangents of 2 operands from its vjp, got 1"},
                                   [&](unsigned& line) {
                                     line = __LINE__ + 1;
                                     const Expr value = ag::custom("f", {p, p}, {6}, f);
                                     evaluate_with_gradient(sum(value), p, noise_column(6, 3), in.communicator(),
                                                            ag::ExecutorKind::tiled, {}, ag::GradientMode::reverse);
                                   });
}

TEST_CASE("a tangent of a wrong shape is told with that expected") {
  const Expr p = ag::parameters(3);
  ag::CustomFunction f = scaled_exp();
  f.jvp = [](const auto&, const Array&, const auto&) { return Array(1.0); };
  check_error<ag::ExpressionError>({"custom \"f\": expected from its jvp a tangent of shape [3]", "got []"},
                                   [&](unsigned& line) {
                                     line = __LINE__ + 1;
                                     const Expr value = ag::custom("f", {p, p}, {3}, f);
                                     evaluate_with_gradient(sum(value), p, noise_column(3, 3), self(),
                                                            ag::ExecutorKind::tiled, {}, ag::GradientMode::forward);
                                   });
}

TEST_CASE("check_gradient passes right derivatives and names the line of a wrong one") {
  const Inputs in = uneven_inputs();
  const Expr p = in.parameter_vector(), wide = in.rows_6().expr;
  const std::vector<double> at = noise_column(6, 3, 0.5, 1.5);
  for (const ag::ExecutorKind executor : executors) {
    const auto check = [&](const Expr& value) {
      return check_gradient(log(sum(square(tanh(value)))), p, at, in.communicator(), {.executor = executor});
    };
    const ag::GradientCheck right = check(ag::custom("f", {wide, p}, wide.shape(), scaled_exp()));
    INFO(right.str());
    CHECK(right.passed);
    CHECK(right.error <= 1e-7);
    REQUIRE(right.worst);
    check_close(right.differences, right.gradient, 1e-7);

    const unsigned line = __LINE__ + 1;
    const ag::GradientCheck wrong = check(ag::custom("lens", {wide, p}, wide.shape(), scaled_exp(1.01)));
    INFO(wrong.str());
    CHECK(!wrong.passed);
    CHECK(wrong.error > 1e-4);
    REQUIRE(wrong.worst);
    CHECK(wrong.worst->name == "custom lens");
    CHECK(wrong.worst->where.line == line);
    CHECK(wrong.worst->error > 1e-4);
    CHECK(wrong.str().find("worst operation: custom lens") != std::string::npos);
    CHECK(wrong.str().find("failed") != std::string::npos);
  }
}

TEST_CASE("check_gradient fails a derivative that is infinite") {
  const Inputs in = uneven_inputs();
  const Expr p = in.parameter_vector();
  ag::CustomFunction infinite{
      .value = [](const auto& x) { return x[0]; },
      .vjp = [](const auto&, const Array&, const Array& cotangent) { return std::vector<Array>{cotangent / 0.0}; }};
  const ag::GradientCheck check =
      check_gradient(sum(exp(ag::custom("f", {p}, {6}, infinite))), p, noise_column(6, 3), in.communicator());
  CHECK(!check.passed);
  CHECK(std::isinf(check.error));
  REQUIRE(check.worst);
  CHECK(check.worst->name == "custom f");
}

TEST_CASE("check_gradient of steps, branches and random draws") {
  const Inputs in = uneven_inputs();
  const Expr p = in.parameter_vector(), u = in.column("u").expr;
  const Expr kinked = where(p[0] > 0.7, p[0] * u, u * u) + abs(p[1] - u) * (p[2] > 1.0);
  const Expr drawn = kinked * ag::random::normal(ag::random::key(), u.shape());
  const ag::GradientCheck check =
      check_gradient(sum(drawn), p, {0.9, 1.7, 2.4, 1.0, 1.0, 1.0}, in.communicator(), {.randkey = 7});
  INFO(check.str());
  CHECK(check.passed);
}

TEST_CASE("check_gradient goes on with the numbers of rank 0 where ranks differ in their last bits") {
  const double noise = 1.0 + 1e-15 * world().rank();
  const ag::CustomFunction noisy{
      .value = [=](const auto& x) { return Array(noise * xt::square(x[0])); },
      .vjp = [=](const auto& x, const Array&,
                 const Array& cotangent) { return std::vector<Array>{2.0 * noise * cotangent * x[0]}; }};
  const Expr p = ag::parameters(3);
  const Said said;
  const ag::GradientCheck check =
      check_gradient(sum(exp(-ag::custom("f", {p}, {3}, noisy))), p, {0.3, -0.8, 1.7}, world());
  INFO(check.str());
  CHECK(check.passed);
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(check.differences[0]);
  for (const std::uint64_t other : world().allgather(bits)) CHECK(other == bits);
  if (world().is_root() && world().size() > 1) CHECK(said.warnings.size() == 1);
}

TEST_CASE("a graph with a custom function says which matrices it has") {
  const Expr p = ag::parameters(2);
  ag::CustomFunction function = scaled_exp();
  const auto build = [&] { return compile(sum(square(ag::custom("f", {p, p}, {2}, function))), p, world()); };
  const ag::CompiledGraph with_jvp = build();
  function.jvp = nullptr;
  const ag::CompiledGraph without = build();
  CHECK(with_jvp.has_hessian(ag::Curvature::gauss_newton));
  CHECK(!with_jvp.has_hessian(ag::Curvature::exact));
  CHECK(!without.has_hessian(ag::Curvature::gauss_newton));
  CHECK(!without.has_hessian_product());
}

}  // namespace test_custom
