// What each pass does to a graph, as it is printed.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "allgrad/error.hpp"
#include "autodiff/gradient.hpp"
#include "catch.hpp"
#include "compile/pipeline.hpp"
#include "dsl/collectives.hpp"
#include "dsl/elementwise.hpp"
#include "dsl/input.hpp"
#include "evaluation.hpp"
#include "execute/executor.hpp"
#include "graph/text.hpp"
#include "graph/traversal.hpp"
#include "graph/verify.hpp"
#include "pass_text.hpp"
#include "passes/cancel_shares.hpp"
#include "passes/common_subexpressions.hpp"
#include "passes/fold_constants.hpp"
#include "passes/hoist_broadcasts.hpp"
#include "passes/insert_allreduce.hpp"
#include "passes/merge_collectives.hpp"
#include "passes/simplify.hpp"

namespace test_passes {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

std::vector<ag::Array> evaluate_constants(const std::vector<Expr>& outputs) {
  const auto executor = ag::make_reference_executor(outputs, self());
  executor->run({}, ag::Operation("an evaluation"));
  std::vector<ag::Array> values;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    values.push_back(ag::Array::from_shape(ag::local_shape(outputs[i].shape())));
    std::ranges::copy(executor->output(i), values.back().begin());
  }
  return values;
}

}  // namespace

TEST_CASE("insert allreduce: under what is not linear in a share") {
  const SmallInputs in;
  CHECK(operations(ag::insert_allreduce({log(sum(in.params[0] * in.x))})) == R"(
%0 = parameters()
%1 = index 0(%0)
%2 = column halos.x()
%3 = multiply(%1, %2)
%4 = sum axes=[0](%3)
%5 = allreduce(%4)
%6 = log(%5)
out0 = %6
)");
}

TEST_CASE("insert allreduce: behind what is linear in shares, once, in the result") {
  const SmallInputs in;
  CHECK(operations(ag::insert_allreduce({in.params[1] * (sum(in.x) - sum(in.w)) / 2.0})) == R"(
%0 = parameters()
%1 = index 1(%0)
%2 = column halos.x()
%3 = sum axes=[0](%2)
%4 = column halos.w()
%5 = sum axes=[0](%4)
%6 = subtract(%3, %5)
%7 = multiply(%1, %6)
%8 = constant 2()
%9 = divide(%7, %8)
%10 = allreduce(%9)
out0 = %10
)");
}

TEST_CASE("insert allreduce: one for all uses of a total, beside a replicated value and per row") {
  const SmallInputs in;
  const Expr total = sum(in.x);
  const std::vector<Expr> graph = ag::insert_allreduce({total + in.params[0], sum(square(in.w - total))});
  CHECK(operations(graph) == R"(
%0 = column halos.x()
%1 = sum axes=[0](%0)
%2 = allreduce(%1)
%3 = parameters()
%4 = index 0(%3)
%5 = add(%2, %4)
%6 = column halos.w()
%7 = subtract(%6, %2)
%8 = square(%7)
%9 = sum axes=[0](%8)
%10 = allreduce(%9)
out0 = %5
out1 = %10
)");
  CHECK(operations(ag::insert_allreduce(graph)) == operations(graph));
}

TEST_CASE("cancel shares: two allreduces are left of the common case, and no share of any") {
  const SmallInputs in;
  const auto differentiated = [&](const Expr& loss) {
    const std::vector<Expr> totalled = ag::insert_allreduce({loss});
    return ag::insert_allreduce({totalled[0], ag::gradient(totalled[0], in.params)});
  };
  const Expr statistic = log(sum(exp(in.params[0] * in.x)));
  const Expr nested = log(sum(exp(in.params[0] * in.x - statistic)));
  const Expr with_penalty = square(statistic) + mean(square(in.x - in.params[1])) + sum(square(in.params));
  for (const auto& [loss, allreduces] : {std::pair(statistic, 2U), std::pair(nested, 4U), std::pair(with_penalty, 3U),
                                         std::pair(sum(square(in.params)), 0U)}) {
    const std::vector<Expr> graph = differentiated(loss);
    INFO(operations(graph));
    CHECK(count(graph, "share") > 0);
    const std::vector<Expr> cancelled = ag::cancel_shares(graph);
    INFO(operations(cancelled));
    CHECK(count(cancelled, "share") == 0);
    CHECK(count(cancelled, "allreduce") == allreduces);
    CHECK(operations(ag::simplify(cancelled)).find("constant -0(") == std::string::npos);  // in place of no share
    ag::verify(cancelled, "cancel shares");
  }
}

TEST_CASE("merge collectives: one for each level of reductions") {
  const SmallInputs in;
  const Expr first = sum(in.x * in.params[0]), second = sum(expand_dims(in.w, 1) * in.params, 0);
  const std::vector<Expr> graph = ag::merge_collectives(ag::insert_allreduce({log(first), exp(second)}));
  CHECK(operations(graph) == R"(
%0 = column halos.x()
%1 = parameters()
%2 = index 0(%1)
%3 = multiply(%0, %2)
%4 = sum axes=[0](%3)
%5 = reshape shape=[1](%4)
%6 = column halos.w()
%7 = reshape shape=[rows, 1](%6)
%8 = multiply(%7, %1)
%9 = sum axes=[0](%8)
%10 = concatenate axis=0(%5, %9)
%11 = allreduce(%10)
%12 = slice 0:1, axis=0(%11)
%13 = reshape shape=[](%12)
%14 = log(%13)
%15 = slice 1:3, axis=0(%11)
%16 = exp(%15)
out0 = %14
out1 = %16
)");
  const Expr inner = sum(in.w * log(first)) * sum(in.x * log(second[0]));
  const std::vector<Expr> nested = ag::insert_allreduce({log(inner) + log(sum(in.w))});
  CHECK(count(nested, "allreduce") == 5);
  CHECK(count(ag::merge_collectives(nested), "allreduce") == 2);
}

TEST_CASE("fold constants: a value that is used beside another one that is computed from it") {
  const SmallInputs in;
  const Expr inner = exp(ag::constant(1.0)), outer = log(inner) * 2.0;
  CHECK(operations(ag::fold_constants({inner * in.params[0] + outer * in.params[1]}, evaluate_constants)) == R"(
%0 = constant 2.718281828459045()
%1 = parameters()
%2 = index 0(%1)
%3 = multiply(%0, %2)
%4 = constant 2()
%5 = index 1(%1)
%6 = multiply(%4, %5)
%7 = add(%3, %6)
out0 = %7
)");
}

TEST_CASE("fold constants: what depends on no parameter is computed once, of rows as long as they stay") {
  const SmallInputs in;
  const Expr number = log(ag::constant(xt::xarray<double>(2.0))) * 3.0;
  const Expr loss = log(in.params[0]) * number + square(mean(in.x)) * in.params[1] + sum(in.x * exp(in.w));
  const auto fold = [&](const std::vector<Expr>& graph) { return ag::fold_constants(graph, evaluate_constants); };
  const std::vector<Expr> folded = fold(ag::insert_allreduce({loss}));
  CHECK(operations(folded) == fmt::format(R"(
%0 = parameters()
%1 = index 0(%0)
%2 = log(%1)
%3 = constant {}()
%4 = multiply(%2, %3)
%5 = precomputed square()
%6 = index 1(%0)
%7 = multiply(%5, %6)
%8 = add(%4, %7)
%9 = precomputed allreduce()
%10 = add(%8, %9)
out0 = %10
)",
                                          evaluate_constants({number})[0]()));

  const std::vector<Expr> per_row = ag::insert_allreduce({sum(exp(in.x) * in.params[0])});
  CHECK(operations(fold(per_row)) == operations(per_row));
}

TEST_CASE("common subexpressions: one node for what is computed twice, not for columns of two tables") {
  const SmallInputs in;
  const Expr twice = sum(exp(in.halos["x"] * in.params[0])) * log(sum(exp(in.halos["x"] * in.params[0])));
  CHECK(operations(ag::common_subexpressions({twice})) == R"(
%0 = column halos.x()
%1 = parameters()
%2 = index 0(%1)
%3 = multiply(%0, %2)
%4 = exp(%3)
%5 = sum axes=[0](%4)
%6 = log(%5)
%7 = multiply(%5, %6)
out0 = %7
)");
  const ag::Table namesake = deal("halos", {{"x", noise_column(4, 9)}}, all_on_first, self());
  const Expr other = sum(in.halos["x"]) + sum(namesake["x"]);
  CHECK(count(ag::common_subexpressions({other}), "column") == 2);
  const Expr constants = in.params[0] * 2.0 + in.params[1] * 2.0 + 3.0;
  CHECK(count({constants}, "constant") == 3);
  CHECK(count(ag::common_subexpressions({constants}), "constant") == 2);
}

namespace {

/// A row of zeros of a length that is not part of the operator's identity.
class Zeros final : public ag::Operator {
 public:
  explicit Zeros(std::size_t length) : length_(length) {}
  std::string_view name() const override { return "zeros"; }
  void identify(ag::Fingerprint&) const override {}
  ag::Shape infer_shape(std::span<const Expr>) const override { return {length_}; }
  ag::Linearity linearity() const override { return ag::Linearity::none; }
  Expr adjoint(const Expr&, const Expr&, std::size_t) const override { return {}; }
  ag::Array evaluate(const ag::Node&, std::span<const ag::Array* const>, ag::Evaluation&) const override { return {}; }
  ag::View lower(const ag::Node&, ag::Lowering&) const override { return {}; }

 private:
  std::size_t length_;
};

}  // namespace

TEST_CASE("common subexpressions: the shape is part of what a node is") {
  const auto zeros = [](std::size_t length) { return ag::make_node(std::make_shared<const Zeros>(length), {}, {}); };
  CHECK(count(ag::common_subexpressions({zeros(2), zeros(3), zeros(2)}), "zeros") == 2);
}

TEST_CASE("simplify: operations that change nothing go, unless they change the shape") {
  const SmallInputs in;
  const Expr p = in.params, scalar = in.params[0];
  for (const Expr& same : {p + -0.0, -0.0 + p, p - 0.0, p * 1.0, 1.0 * p, p / 1.0, -(-p)}) {
    INFO(operations({same}));
    CHECK(operations(ag::simplify({same})) == operations({p}));
  }
  CHECK(operations(ag::simplify({p + (-scalar)})) == operations({p - scalar}));
  CHECK(operations(ag::simplify({-p + scalar})) == operations({scalar - p}));
  CHECK(operations(ag::simplify({p - (-scalar)})) == operations({p + scalar}));
  CHECK(operations(ag::simplify({-0.0 - p})) == operations({-p}));
  for (const Expr& other : {scalar + xt::zeros<double>({3}), p + 1.0, p * 0.0, p - scalar}) {
    CHECK(operations(ag::simplify({other})) == operations({other}));
  }
}

namespace {

const std::vector<double> special = {-0.0,
                                     0.0,
                                     std::numeric_limits<double>::infinity(),
                                     -std::numeric_limits<double>::infinity(),
                                     std::numeric_limits<double>::quiet_NaN(),
                                     1.0};

/// Every pair of special numbers: all first ones, then all second ones.
std::vector<double> special_pairs() {
  std::vector<double> pairs;
  for (std::size_t i = 0; i < special.size() * special.size(); ++i) pairs.push_back(special[i / special.size()]);
  for (std::size_t i = 0; i < special.size() * special.size(); ++i) pairs.push_back(special[i % special.size()]);
  return pairs;
}

/// Both halves of the parameters, numbers, and values that are broadcast or made of -0 and 0.
std::vector<Expr> leaves_of(const Expr& params) {
  constexpr std::ptrdiff_t n = 36;
  const xt::xarray<double> number = xt::arange<double>(36.0);
  std::vector<Expr> leaves = {view(params, ag::range(0, n)), view(params, ag::range(n, 2 * n)),
                              broadcast_to(params[0], {36}), ag::constant(xt::where(number < 18.0, -0.0, 0.0))};
  for (const double value : special) leaves.push_back(ag::constant(value));
  return leaves;
}

/// Each operator of all leaves and their negatives; each arithmetic operation of two others.
std::vector<Expr> expressions_of(const std::vector<Expr>& leaves) {
  std::vector<Expr> operands = leaves, result;
  for (const Expr& leaf : leaves) operands.push_back(-leaf);
  const auto arithmetic = [](const Expr& x, const Expr& y) { return std::vector{x + y, x - y, x * y, x / y}; };
  for (const ag::ElementwiseRow& row : ag::elementwise_rows()) {
    for (const Expr& x : operands) {
      if (row.num_operands == 1) result.push_back(elementwise(row.kernel, {x}, {}));
      for (const Expr& y : operands) {
        if (row.kernel == ag::Kernel::safe_multiply) {
          result.push_back(safe_multiply(x, y) + 0.0);  // whose zeros may have either sign
        } else if (row.num_operands == 2) {
          result.push_back(elementwise(row.kernel, {x, y}, {}));
        }
        if (row.num_operands != 3) continue;
        const bool takes_power = row.kernel == ag::Kernel::power_below;
        result.push_back(
            elementwise(row.kernel, takes_power ? std::vector{x, y, pow(x, y)} : std::vector{leaves[0], x, y}, {}));
      }
    }
  }
  for (const Expr& x : leaves) {
    for (const Expr& y : leaves) {
      for (const Expr& inner : arithmetic(x, y)) {
        result.push_back(-inner);
        for (const Expr& outer : arithmetic(inner, y)) result.push_back(outer);
        for (const Expr& outer : arithmetic(x, -inner)) result.push_back(outer);
      }
    }
  }
  return result;
}

/// Equal to the bit; any NaN is equal to any other.
bool same(double a, double b) {
  return std::isnan(a) ? std::isnan(b) : std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

/// The same, but for a few units of the last place.
bool close(double a, double b) { return same(a, b) || (a != 0.0 && ulps(a, b) <= 4.0); }

}  // namespace

TEST_CASE("rewrites keep zeros with their signs, infinities and NaN") {
  const Expr params = ag::parameters(72);
  const std::vector<double> at = special_pairs();
  const std::vector<Expr> built = expressions_of(leaves_of(params));
  const auto expected = ag::make_reference_executor(built, self());
  const ag::InputValue inputs[] = {{ag::parameters_name, at}};
  expected->run(inputs, ag::Operation("an evaluation"));
  const auto check = [&](const std::vector<Expr>& rewritten, bool (*equal)(double, double)) {
    const auto actual = ag::make_reference_executor(rewritten, self());
    actual->run(inputs, ag::Operation("an evaluation"));
    for (std::size_t i = 0; i < built.size(); ++i) {
      if (std::ranges::equal(expected->output(i), actual->output(i), equal)) continue;
      FAIL_CHECK(operations({built[i]}) << "became\n" << operations({rewritten[i]}));
    }
  };
  check(ag::simplify(built), same);
  check(ag::hoist_broadcasts(built), same);
  check(ag::common_subexpressions(built), same);
  ag::NamedOutputs named;
  for (const Expr& expr : built) named.emplace_back(fmt::format("{}", named.size()), expr);
  ag::Dump nowhere;
  check(exprs_of(ag::run_pipeline(named, params, self(), {ag::ExecutorKind::reference}, {}, nowhere)), close);
}

TEST_CASE("hoist broadcasts: what does not depend on rows leaves the loop over them") {
  const SmallInputs in;
  const Expr stretched = broadcast_to(in.params[0], in.x.shape());
  CHECK(operations(ag::hoist_broadcasts({sum(exp(stretched) * in.x)})) == R"(
%0 = parameters()
%1 = index 0(%0)
%2 = exp(%1)
%3 = column halos.x()
%4 = multiply(%2, %3)
%5 = sum axes=[0](%4)
out0 = %5
)");
}

TEST_CASE("the verifier names the pass and the node that it left broken") {
  const SmallInputs in;
  const auto message = [](const Expr& broken) -> std::string {
    try {
      ag::verify({broken}, "some pass");
    } catch (const ag::InternalError& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  const auto altered = [](const Expr& expr, const ag::Shape& shape, ag::Placement placement) {
    const ag::Node& node = *expr.node();
    return Expr(std::make_shared<const ag::Node>(node.op, node.operands, std::make_shared<const ag::Shape>(shape),
                                                 placement, node.where, node.backward));
  };
  const std::string start = "defect in allgrad, please report it: the pass \"some pass\" left a graph in which ";
  const Expr share = log(sum(in.x));
  const std::string line = fmt::format("passes.cpp:{}", __LINE__ - 1);
  CHECK(message(share) == start + "a share is used as a total: log from " + line);
  CHECK(message(ag::insert_allreduce({share})[0]) == "nothing was thrown");
  const Expr good = sum(in.params, 0);
  const std::string good_line = fmt::format("passes.cpp:{}", __LINE__ - 1);
  CHECK(message(altered(good, {2}, good.placement())) == start + "a shape is wrong: sum axes=[0] from " + good_line);
  CHECK(message(altered(good, good.shape(), ag::Placement::partial)) ==
        start + "a placement is wrong: sum axes=[0] from " + good_line);
  CHECK(message(2.0 * altered(good, {2}, good.placement())) ==
        start + "a shape is wrong: sum axes=[0] from " + good_line);
}

}  // namespace test_passes
