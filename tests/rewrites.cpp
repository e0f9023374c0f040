// Rewrites keep the user's numbers: each graph of a table, as it is built and as the pipeline leaves it, on both
// executors. Within 4 units of the last place on ordinary numbers; the same NaN, infinities and zeros with their signs.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>

#include "autodiff/gradient.hpp"
#include "autodiff/tangents.hpp"
#include "catch.hpp"
#include "compile/dump.hpp"
#include "compile/pipeline.hpp"
#include "dsl/collectives.hpp"
#include "dsl/input.hpp"
#include "evaluation.hpp"
#include "execute/executor.hpp"
#include "graph/text.hpp"
#include "passes/cancel_shares.hpp"
#include "passes/insert_allreduce.hpp"

namespace test_rewrites {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// Two columns of two rows, whose numbers change between evaluations, and parameters. Two of these are -0, which is
/// added to the columns so that nothing is a constant.
struct Inputs {
  ag::Array x_values = {0.0, 0.0}, w_values = {0.0, 0.0};
  ag::Table rows{"rows", {{"x", ag::borrow(x_values)}, {"w", ag::borrow(w_values)}}, self()};
  Expr params = ag::parameters(4), p = params[0], q = params[1];
  Expr x = rows["x"] + params[2], w = rows["w"] + params[3];
  Expr lanes = ag::constant({0.25, 1.0, 3.0});
  Expr column = expand_dims(x, 1);  // [rows, 1]
  Expr wide = column + lanes;       // [rows, 3]
};

struct Graph {
  const char* name;
  std::function<Expr(const Inputs&)> value;  // [] or [n]; of a number, the gradient is compared too
  bool hides_infinity = false;               // a function of a sum that is finite where the sum is infinite
  double share = 0.0;                        // of the largest result that others may differ by, where terms cancel
};

const std::vector<Graph> graphs = {
    // what no row changes
    {"a broadcast", [](const Inputs& in) { return sum(exp(broadcast_to(in.p, in.x.shape())) * in.x); }},
    {"neighbours", [](const Inputs& in) { return sum(diff(in.wide * in.p), 0); }},
    {"neighbours under a function",
     [](const Inputs& in) { return sum(log(sum(diff(0.5 * (1.0 + erf(0.3 * in.wide - in.p)), 1), 0))); }, false, 4e-15},
    {"neighbours with a factor", [](const Inputs& in) { return sum(diff(0.5 * (1.0 + in.wide), 1), 0); }},
    {"neighbours with a negative factor", [](const Inputs& in) { return sum(diff(-0.25 * in.wide, 1), 0); }},
    {"neighbours with a factor that rounds", [](const Inputs& in) { return sum(diff(0.3 * in.wide, 1), 0); }},
    {"a sum of negatives", [](const Inputs& in) { return sum(-in.wide + -in.column, 0); }},
    // factors and sums
    {"a factor", [](const Inputs& in) { return sum(in.p * in.x); }},
    {"factors on both sides", [](const Inputs& in) { return sum((in.p * in.x) * (in.q * in.w)); }},
    {"a factor per lane", [](const Inputs& in) { return sum(in.wide * (in.lanes * in.p)); }},
    {"a factor per row", [](const Inputs& in) { return sum(sum(in.wide * expand_dims(in.w, 1), 1)); }},
    {"a sum over lanes in a product", [](const Inputs& in) { return sum(in.x * sum(in.wide * in.p, 1)); }},
    {"a sum over lanes under a function", [](const Inputs& in) { return sum(exp(0.1 * sum(in.wide * -in.p, 1))); },
     true},
    {"a sum over lanes as divisor", [](const Inputs& in) { return sum(1.0 / sum(in.wide * in.p, 1)); }, true},
    {"an outer product", [](const Inputs& in) { return sum(in.column * in.lanes); }},
    {"an outer product of rows", [](const Inputs& in) { return sum(in.column * in.lanes, 0); }},
    {"a factor per row and one per lane",
     [](const Inputs& in) { return sum(exp(0.1 * in.wide) * expand_dims(in.w, 1) * (in.lanes * in.p)); }},
    {"a factor of more axes", [](const Inputs& in) { return sum(in.x * expand_dims(in.lanes, 1)); }},
    {"negatives", [](const Inputs& in) { return sum(-(in.x * -in.w)); }},
    {"a negative", [](const Inputs& in) { return sum(-in.x); }},
    {"a factor under a mask", [](const Inputs& in) { return sum(where(in.w > 0.0, 2.0 * in.x, 0.0)); }},
    {"a negative under a mask", [](const Inputs& in) { return sum(where(in.w > 0.0, -in.x, 0.0)); }},
    {"a parameter under a mask", [](const Inputs& in) { return sum(where(in.w > 0.0, in.p * in.x, 0.0)); }},
    {"a factor of 0", [](const Inputs& in) { return sum(in.x * 0.0); }},
    {"a negative factor of 0", [](const Inputs& in) { return sum(-0.0 * in.x); }},
    {"an infinite factor", [](const Inputs& in) { return sum(in.x * infinity) + sum(in.w); }},
    {"a square", [](const Inputs& in) { return sum(square(in.p * in.x)); }},
    {"a square under a function", [](const Inputs& in) { return sum(exp(-0.5 * square((in.x - in.p) / in.q))); }},
    {"products that are used twice",
     [](const Inputs& in) {
       const Expr z = in.p * in.x;
       return sum(erf(z) * z) + sum(exp(-(z * z)));
     },
     false, 4e-16},  // the derivatives of both terms cancel in part
    // quotients
    {"a divisor", [](const Inputs& in) { return sum(in.x / in.p); }},
    {"a divisor that rounds", [](const Inputs& in) { return sum(exp(in.x / 3.0)); }},
    {"a divisor per row", [](const Inputs& in) { return sum(in.wide / expand_dims(in.w, 1)); }},
    {"a dividend", [](const Inputs& in) { return sum(in.p / in.x); }},
    {"a dividend under a function", [](const Inputs& in) { return sum(exp(in.p / in.x)); }},
    {"a quotient of products", [](const Inputs& in) { return sum((in.p * in.x) / (in.q * in.w)); }},
    {"quotients of quotients", [](const Inputs& in) { return sum((in.x / in.p) / (in.q / in.w)); }},
    // powers
    {"powers of constants",
     [](const Inputs& in) {
       return ag::stack({sum(pow(10.0, in.x)), sum(pow(2.0, in.x)), sum(pow(0.25, in.x))});
     }},
    {"products and roots",
     [](const Inputs& in) {
       std::vector<Expr> sums;
       for (const double exponent :
            {-4.0, -3.0, -2.0, -1.0, -0.0, 0.0, 1.0, 2.0, 3.0, 4.0, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.3, 5.0}) {
         sums.push_back(sum(pow(in.x, exponent)));
       }
       return ag::stack(sums);
     }},
    {"a power and its derivative", [](const Inputs& in) { return sum(pow(in.x, in.p)); }},
    {"a square and its derivative", [](const Inputs& in) { return sum(pow(in.x - in.p, 2.0)); }},
    // functions with their derivatives
    {"sigmoid", [](const Inputs& in) { return sum(sigmoid(in.x - in.p)); }},
    {"sigmoid of both", [](const Inputs& in) { return sum(sigmoid(in.x) + 2.0 * sigmoid(-in.x)); }},
    {"sinh and cosh", [](const Inputs& in) { return sum(sinh(in.p + in.x)); }},
    {"tanh", [](const Inputs& in) { return sum(tanh(in.x - in.p)); }},
    {"erf", [](const Inputs& in) { return sum(1.0 + erf((in.wide - in.p) / in.q), 0); }},
};

std::string text_of(const std::vector<Expr>& outputs) {
  ag::NamedOutputs named;
  for (const Expr& output : outputs) named.emplace_back(fmt::format("out{}", named.size()), output);
  return to_text(named);
}

/// A graph with its gradient, as built and as the pipeline leaves it, ready to run.
class Pair {
 public:
  Pair(const Expr& value, const Expr& params, ag::ExecutorKind kind,
       ag::GradientMode mode = ag::GradientMode::reverse) {
    std::optional<ag::DerivativesOf> gradient;
    std::vector<Expr> plain = ag::insert_allreduce({value});
    if (value.ndim() == 0) {
      gradient = ag::DerivativesOf{value, {}, mode};
      if (mode == ag::GradientMode::reverse) {
        plain.push_back(ag::gradient(plain[0], params));
        plain = ag::cancel_shares(ag::insert_allreduce(plain));
      } else {
        plain.push_back(ag::jacobian(plain[0], params));
      }
    }
    ag::Dump nowhere;
    const std::vector<Expr> rewritten =
        exprs_of(ag::run_pipeline({{"value", value}}, params, self(), {kind}, gradient, nowhere));
    text_ = text_of(rewritten);
    plain_ = ag::make_executor(kind, plain, self());
    rewritten_ = ag::make_executor(kind, rewritten, self());
    num_outputs_ = plain.size();
  }

  const std::string& text() const { return text_; }

  /// All numbers of both, expected ones first.
  std::pair<std::vector<double>, std::vector<double>> run(const std::vector<double>& at) {
    return {numbers(*plain_, at), numbers(*rewritten_, at)};
  }

 private:
  std::vector<double> numbers(ag::Executor& executor, const std::vector<double>& at) const {
    const ag::InputValue inputs[] = {{ag::parameters_name, at}};
    executor.run(inputs, ag::Operation("an evaluation"));
    std::vector<double> result;
    for (std::size_t i = 0; i < num_outputs_; ++i) {
      const auto output = executor.output(i);
      result.insert(result.end(), output.begin(), output.end());
    }
    return result;
  }

  std::string text_;
  std::unique_ptr<ag::Executor> plain_, rewritten_;
  std::size_t num_outputs_ = 0;
};

/// How exactly two results are compared.
struct Tolerance {
  double ulps;
  double share = 0.0;  ///< of the largest finite result
  /// Where a factor is not finite: NaN may be infinity, and infinity NaN; and a derivative is 0 where its terms cancel
  /// before they are multiplied by the factor.
  bool any_nonfinite = false;
};

bool same(double expected, double actual, double largest, const Tolerance& tolerance) {
  if (!std::isfinite(expected) && !std::isfinite(actual) && tolerance.any_nonfinite) return true;
  if (std::isnan(expected) || std::isnan(actual)) return std::isnan(expected) && std::isnan(actual);
  if (expected == 0.0 && actual == 0.0) return std::signbit(expected) == std::signbit(actual);
  return ulps(expected, actual) <= tolerance.ulps || std::abs(expected - actual) <= tolerance.share * largest;
}

/// Compares both at parameters and rows.
void check(const Graph& graph, Pair& pair, Inputs& in, std::vector<double> at, const std::vector<double>& x,
           const std::vector<double>& w, const Tolerance& tolerance) {
  at.insert(at.end(), {-0.0, -0.0});
  std::ranges::copy(x, in.x_values.begin());
  std::ranges::copy(w, in.w_values.begin());
  const auto [expected, actual] = pair.run(at);
  REQUIRE(actual.size() == expected.size());
  double largest = 0.0;
  for (const double number : expected) largest = std::isfinite(number) ? std::max(largest, std::abs(number)) : largest;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (same(expected[i], actual[i], largest, tolerance)) continue;
    const bool is_derivative = i > 0;
    if (is_derivative && tolerance.any_nonfinite && std::isnan(expected[i]) && actual[i] == 0.0) continue;
    FAIL_CHECK(graph.name << fmt::format(": number {} is {}, expected {}, at {}, x = {}, w = {}\n", i, actual[i],
                                         expected[i], at, x, w)
                          << pair.text());
  }
}

}  // namespace

TEST_CASE("rewrites keep ordinary numbers to 4 units of the last place") {
  for (const ag::ExecutorKind kind : executors) {
    for (const Graph& graph : graphs) {
      for (const ag::GradientMode mode : {ag::GradientMode::reverse, ag::GradientMode::forward}) {
        Inputs in;
        Pair pair(graph.value(in), in.params, kind, mode);
        for (std::uint64_t i = 0; i < 20; ++i) {
          check(graph, pair, in, {noise(4 * i, 0.1, 1.0), noise(4 * i + 1, 1.0, 2.0)}, noise_column(2, i, 1.0, 2.0),
                noise_column(2, i + 100, 1.0, 2.0), {4.0, graph.share});
        }
      }
    }
  }
}

TEST_CASE("rewrites keep NaN, infinities and zeros with their signs") {
  const std::vector<double> special = {0.0, -0.0, infinity, -infinity, not_a_number, 1.0, -2.5, 40.0, -40.0};
  const Tolerance strict{4.0, 1e-12}, factor{4.0, 1e-12, true};
  for (const ag::ExecutorKind kind : executors) {
    for (const Graph& graph : graphs) {
      const auto is_seen = [&](double p) { return !graph.hides_infinity || (std::isfinite(p) && p != 0.0); };
      Inputs in;
      Pair pair(graph.value(in), in.params, kind);
      for (const double a : special) {
        for (const double b : special) {
          check(graph, pair, in, {1.5, 0.75}, {a, b}, {1.0, -2.0}, strict);
          check(graph, pair, in, {-1.5, 0.75}, {a, 2.0}, {b, 1.0}, factor);
          if (is_seen(a)) check(graph, pair, in, {a, 2.0}, {b, -1.0}, {-1.0, 1.5}, factor);
          if (is_seen(a) && is_seen(b)) check(graph, pair, in, {a, b}, {2.0, 2.5}, {1.0, 1.5}, factor);
        }
      }
    }
  }
}

TEST_CASE("what is summed over no elements keeps its factors") {
  for (const ag::ExecutorKind kind : executors) {
    const Inputs in;
    const Expr none = expand_dims(in.x, 1) + ag::constant(ag::Array::from_shape({0}));
    Pair pair(sum(in.p * none / in.q), in.params, kind);
    const auto [expected, actual] = pair.run({infinity, 0.0, -0.0, -0.0});
    CHECK(expected[0] == 0.0);
    CHECK(std::isnan(actual[0]) == std::isnan(expected[0]));
    CHECK(actual[0] == expected[0]);
  }
}

}  // namespace test_rewrites
