// Where a loss or its gradient turns NaN or infinite: which operation, row, rank and elements are named.
#include <cmath>
#include <limits>

#include "check_error.hpp"
#include "evaluation.hpp"
#include "lambda_model.hpp"
#include "reference_models.hpp"
#include "world.hpp"

namespace test_nonfinite {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t num_rows = 5000;  // more than 64 times 64, the parts of a search

/// The columns x and y with all rows, dealt out unevenly.
ag::Table table_of(const std::function<double(std::size_t row)>& x, const std::function<double(std::size_t row)>& y) {
  std::vector<double> all_x, all_y;
  for (std::size_t row = 0; row < num_rows; ++row) {
    all_x.push_back(x(row));
    all_y.push_back(y(row));
  }
  return deal("halos", {{"x", all_x}, {"y", all_y}}, uneven, world());
}

double one(std::size_t) { return 1.0; }

/// The rank that has a row.
int rank_of(std::size_t row) {
  for (int rank = 0; rank < world().size(); ++rank) {
    const auto [first, last] = uneven(num_rows, rank, world().size());
    if (first <= row && row < last) return rank;
  }
  return -1;
}

struct Line {
  unsigned line = 0;
  std::string str() const { return fmt::format("nonfinite.cpp:{}", line); }
};

/// What is found at `at` in the loss that `write` makes of the parameters.
std::optional<ag::Nonfinite> find(const std::function<ag::Expr(const ag::Expr&)>& write, const std::vector<double>& at,
                                  const ag::EvaluationOptions& options = {}) {
  const ag::ExecutorKind executor = GENERATE(ag::ExecutorKind::tiled, ag::ExecutorKind::reference);
  const ag::Expr params = ag::parameters(at.size());
  return ag::compile(write(params), params, world(), {executor}).find_nonfinite(at, options);
}

/// Row and rank of what is per row.
void check_row(const ag::Nonfinite& found, std::size_t row) {
  CHECK(found.row == row);
  CHECK(found.rank == rank_of(row));
}

}  // namespace

TEST_CASE("nothing is found where all is finite") {
  const auto halos = table_of([](std::size_t row) { return 1.0 + static_cast<double>(row); }, one);
  CHECK_FALSE(find([&](const ag::Expr& p) { return log(sum(p[0] * halos["x"])); }, {1.0}));
}

TEST_CASE("the first operation that is not finite is named with the lowest row of all ranks") {
  const std::size_t bad = GENERATE(0U, 63U, 64U, 4095U, 4096U, 4999U);
  const auto halos = table_of([&](std::size_t row) { return row >= bad && row % 2 == bad % 2 ? 9.0 : 1.0; }, one);
  Line line;
  const auto found = find(
      [&](const ag::Expr& p) {
        line.line = __LINE__ + 1;
        const auto root = sqrt(p[0] - halos["x"]);
        return square(sum(exp(root) + halos["y"]));
      },
      {5.0});
  REQUIRE(found);
  CHECK(found->node == "sqrt");
  CHECK(found->where.line == line.line);
  CHECK_FALSE(found->is_derivative);
  CHECK(std::isnan(found->value));
  check_row(*found, bad);
  CHECK(found->text == fmt::format("sqrt at {} is nan in row {} of halos on rank {}, where its operand is -4",
                                   line.str(), bad, rank_of(bad)));
  CHECK(fmt::format("{}", *found) == found->text + ". To keep it finite there, mask the result: where(ok, f(x), 0)");
}

/// So many that gradients are computed in reverse mode, where what a mask leaves out has the cotangent 0.
const std::vector<double> many_params = {5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};

TEST_CASE("a masked result is no reason for a gradient that is not finite") {
  const auto halos = table_of([](std::size_t row) { return row == 70 || row == 4321 ? 7.0 : 1.0; }, one);
  CHECK_FALSE(find(
      [&](const ag::Expr& p) {
        const auto x = halos["x"];
        return sum(where(x < p[0], sqrt(p[0] - x), 0.0)) + sum(square(view(p, ag::range(1, 9))));
      },
      many_params));
}

TEST_CASE("a derivative that is not finite where all values are") {
  const auto halos = table_of([](std::size_t row) { return row == 4000 || row == 4001 ? 5.0 : 1.0; }, one);
  Line line;
  const auto found = find(
      [&](const ag::Expr& p) {
        line.line = __LINE__ + 1;
        return sum(sqrt(p[0] - halos["x"]));
      },
      {5.0});
  REQUIRE(found);
  CHECK(found->node == "sqrt");
  CHECK(found->is_derivative);
  CHECK(found->value == infinity);
  check_row(*found, 4000);
  CHECK(found->text ==
        fmt::format("the derivative of sqrt at {} is inf in row 4000 of halos on rank {}, where its operand is 0",
                    line.str(), rank_of(4000)));
}

TEST_CASE("a derivative by one of several operands, of a value that is not per row") {
  const auto halos = table_of(one, one);
  Line line;
  const auto found = find(
      [&](const ag::Expr& p) {
        line.line = __LINE__ + 1;
        return pow(p[1], p[0]) + sum(halos["x"]);
      },
      {0.5, 0.0});
  REQUIRE(found);
  CHECK(found->text ==
        fmt::format("the derivative of pow at {} by its first operand is inf, where its operands are 0, 0.5",
                    line.str()));
  CHECK_FALSE(found->row);
  CHECK_FALSE(found->rank);
  CHECK_FALSE(find([&](const ag::Expr& p) { return pow(p[1], p[0]) + sum(halos["x"]); }, {0.5, 0.0},
                   {.frozen = {false, true}}));
}

TEST_CASE("what does not reach the loss is not to blame, in other rows neither") {
  // Row 10: NaN in the catalogue, masked as it should be. Row 20: y is 0, under a logarithm.
  const auto halos = table_of([](std::size_t row) { return row == 10 ? not_a_number : 1.0; },
                              [](std::size_t row) { return row == 20 ? 0.0 : 1.0; });
  Line line;
  const auto found = find(
      [&](const ag::Expr& p) {
        const auto ok = !isnan(halos["x"]);
        const auto x = where(ok, halos["x"], 1.0);
        const auto edges = ag::constant({-infinity, 0.0, infinity});
        const auto cdf = erf(edges - ag::expand_dims(p[0] * x, 1));
        line.line = __LINE__ + 1;
        return sum(log(halos["y"] * p[0])) + sum(cdf) + sum(1.0 / (1.0 + exp(1000.0 * p[0] * x)));
      },
      {1.0});
  REQUIRE(found);
  check_row(*found, 20);
  CHECK(found->text == fmt::format("log at {} is -inf in row 20 of halos on rank {}, where its operand is 0",
                                   line.str(), rank_of(20)));

  const auto unmasked = find([&](const ag::Expr& p) { return sum(p[0] * log(halos["x"] + 0.0 * halos["y"])); }, {1.0});
  REQUIRE(unmasked);
  CHECK(unmasked->node == "column halos.x");
  check_row(*unmasked, 10);
}

TEST_CASE("the elements of a row, and the operands beside the first of them") {
  const auto halos = table_of([](std::size_t row) { return row == 4242 ? 2.5 : 10.0; }, one);
  Line line;
  const auto found = find(
      [&](const ag::Expr& p) {
        const auto distance = ag::expand_dims(p[0] * halos["x"], 1) - xt::xarray<double>{1.0, 2.5, 2.0, 2.5};
        line.line = __LINE__ + 1;
        return sum(xt::xarray<double>{1.0, 3.0, 1.0, 4.0} / distance);
      },
      {1.0});
  REQUIRE(found);
  CHECK(found->elements == std::vector<std::size_t>{1, 3});
  CHECK(found->text ==
        fmt::format(
            "divide at {} is inf in row 4242 of halos on rank {}, at elements 1, 3 of 4, where its operands are 3, 0",
            line.str(), rank_of(4242)));
}

TEST_CASE("a value that each rank has of its own") {
  const int last = world().size() - 1;
  Line line;
  const auto found = find(
      [&](const ag::Expr& p) {
        const auto own = ag::rank_constant(xt::xarray<double>{1.0, world().rank() == last ? -4.0 : 4.0});
        line.line = __LINE__ + 1;
        return sum(ag::reduce_sum(log(p[0] * own)));
      },
      {2.0});
  REQUIRE(found);
  CHECK(found->rank == last);
  CHECK_FALSE(found->row);
  CHECK(found->text ==
        fmt::format("log at {} is nan on rank {}, at element 1 of 2, where its operand is -8", line.str(), last));
}

TEST_CASE("sums of finite numbers that overflow") {
  const auto halos = table_of([](std::size_t) { return 1e305; }, one);
  Line line;
  const auto value = find(
      [&](const ag::Expr& p) {
        line.line = __LINE__ + 1;
        return log(sum(p[0] * halos["x"]));
      },
      {1.0});
  REQUIRE(value);
  CHECK(value->text == fmt::format("sum axes=[0] at {} is inf", line.str()));

  const xt::xarray<double> large{1.0, 1e308};
  const auto gradient = find([&](const ag::Expr& p) { return sum(p * large) + sum(large * p); }, {1.0, 0.0});
  REQUIRE(gradient);
  CHECK(gradient->text == "the gradient, a sum of finite contributions, is inf, at element 1 of 2");
  CHECK(gradient->is_derivative);
}

TEST_CASE("a draw per row is named with the row's number, whichever rank has it") {
  const auto halos = table_of(one, one);
  const auto draws = ag::random::normal(ag::Key(3), {num_rows});
  std::size_t first = 0;
  while (draws(first) + 2.0 >= 0.0) ++first;
  const auto found = find(
      [&](const ag::Expr& p) { return p[0] * sum(sqrt(2.0 + ag::random::normal(ag::random::key(), {halos.rows()}))); },
      {1.0}, {.randkey = 3});
  REQUIRE(found);
  CHECK(found->node == "sqrt");
  check_row(*found, first);
}

TEST_CASE("statistics that are 0 under a logarithm") {
  const auto halos = table_of([](std::size_t row) { return static_cast<double>(row % 2); }, one);
  Line line;
  LambdaModel model(
      [&](const ag::Expr& p) {
        return sum(ag::expand_dims(p[0] * halos["x"], 1) * xt::xarray<double>{1.0, 2.0, 0.0, 3.0, 0.0}, 0);
      },
      [&](const ag::Sumstats& sumstats) {
        line.line = __LINE__ + 1;
        return mean(square(log10(sumstats.value) - 1.0));
      });
  const auto found = model.find_nonfinite({1.0});
  REQUIRE(found);
  CHECK(found->node == "log10");
  CHECK(found->value == -infinity);
  CHECK(found->elements == std::vector<std::size_t>{2, 4});
  CHECK(found->text == fmt::format("statistics 2, 4 of 5 are 0 under log10 at {}", line.str()));
  CHECK_FALSE(found->row);

  check_error<ag::ArgumentError>(
      {fmt::format("the loss is inf, {}. Start where the loss can be computed. Where it should be finite, "
                   "mask the result",
                   found->text)},
      [&](unsigned& blamed) {
        blamed = __LINE__ + 1;
        model.run_bfgs({1.0});
      });
}

TEST_CASE("a guess whose gradient alone is not finite is told to mask, not to start elsewhere") {
  const auto halos = table_of([](std::size_t row) { return row == 70 ? 5.0 : 1.0; }, one);
  LambdaModel model([&](const ag::Expr& p) { return sum(sqrt(p[0] - halos["x"])); },
                    [](const ag::Sumstats& sumstats) {
                      return square(sumstats.value) + sum(square(view(sumstats.params, ag::range(1, 9))));
                    });
  const std::string text = caught<ag::ArgumentError>([&](unsigned&) { model.run_bfgs(many_params); }).text;
  check_parts(text, {"at params[0] = 5, params[1] = 0",
                     "the gradient by params[0] is inf, the derivative of sqrt at nonfinite.cpp:",
                     fmt::format("is inf in row 70 of halos on rank {}", rank_of(70)),
                     "The loss is finite there, its derivative is not: mask the result: where(ok, "});
  CHECK(text.find("Start where") == std::string::npos);
}

}  // namespace test_nonfinite
