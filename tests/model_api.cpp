// What a OnePointModel offers beside its fit: aux values, shares, calls with numbers, and each result at its own cost.
#include <cmath>
#include <xtensor/xmath.hpp>
#include <xtensor/xview.hpp>

#include "allgrad/evaluate.hpp"
#include "allgrad/random.hpp"
#include "allgrad/subcomms.hpp"
#include "check_error.hpp"
#include "lambda_model.hpp"
#include "reference_models.hpp"

namespace test_model_api {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

constexpr std::size_t num_rows = 60;

double x_of(std::size_t row) { return 0.1 + 0.05 * static_cast<double>(row); }

const ag::Table& rows() {
  static const ag::Table table("rows", [] {
    const auto world = ag::Communicator::world();
    const auto [first, last] = uneven(num_rows, world.rank(), world.size());
    std::vector<double> x;
    for (std::size_t row = first; row < last; ++row) x.push_back(x_of(row));
    return ag::Table::Columns{{"x", std::move(x)}};
  });
  return table;
}

template <class F>
double sum_over_rows(F f) {
  double total = 0.0;
  for (std::size_t row = 0; row < num_rows; ++row) total += f(x_of(row));
  return total;
}

/// Statistic: sum of p0 x^2. Aux of the statistics: p1 x per row, the partial sum of p0 x, the number p1.
class WithAux final : public ag::OnePointModel {
 public:
  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    ++graphs_built;
    const ag::Expr x = rows()["x"];
    return {params[0] * sum(square(x)),
            {{"per_row", params[1] * x}, {"partial", sum(params[0] * x)}, {"number", params[1]}}};
  }
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& stats) const override {
    const ag::Expr penalty = sum(square(stats.aux["per_row"])) * stats.aux["number"];
    const ag::Expr partial = stats.aux["partial"];
    return {square(stats.value) + penalty + log(partial),
            {{"penalty", penalty}, {"partial", partial}, {"both", ag::stack({penalty, partial})}}};
  }

  mutable int graphs_built = 0;
};

struct Expected {
  explicit Expected(double p0, double p1) {
    const double x = sum_over_rows([](double v) { return v; });
    const double xx = sum_over_rows([](double v) { return v * v; });
    sumstats = p0 * xx;
    penalty = p1 * p1 * p1 * xx;
    partial = p0 * x;
    loss = sumstats * sumstats + penalty + std::log(partial);
    gradient = {2.0 * p0 * xx * xx + 1.0 / p0, 3.0 * p1 * p1 * xx};
  }
  double sumstats, penalty, partial, loss;
  std::vector<double> gradient;
};

}  // namespace

TEST_CASE("aux of the statistics reaches the loss as it is, and keeps its gradient") {
  WithAux model;
  const Expected expected(0.7, 1.3);
  const auto [loss, gradient] = model.calc_loss_and_grad_from_params({0.7, 1.3});
  CHECK(loss == Approx(expected.loss).epsilon(1e-12));
  for (std::size_t i = 0; i < 2; ++i) CHECK(gradient(i) == Approx(expected.gradient[i]).epsilon(1e-12));
  const auto alone = model.calc_dloss_dparams({0.7, 1.3});
  for (std::size_t i = 0; i < 2; ++i) CHECK(alone(i) == Approx(expected.gradient[i]).epsilon(1e-12));
}

TEST_CASE("aux of the loss comes back as numbers with the loss") {
  WithAux model;
  const Expected expected(0.7, 1.3);
  const auto check = [&](const ag::LossValue& loss) {
    CHECK(loss == Approx(expected.loss).epsilon(1e-12));
    CHECK(loss.aux.names() == std::vector<std::string>{"penalty", "partial", "both"});
    CHECK(loss.aux["penalty"]() == Approx(expected.penalty).epsilon(1e-12));
    CHECK(loss.aux["partial"]() == Approx(expected.partial).epsilon(1e-12));
    REQUIRE(loss.aux["both"].shape() == ag::Array::shape_type{2});
    CHECK(loss.aux["both"](1) == Approx(expected.partial).epsilon(1e-12));
    CHECK(fmt::format("{:.3f}", loss) == fmt::format("{:.3f}", loss.value));
  };
  check(model.calc_loss_from_params({0.7, 1.3}));
  check(model.calc_loss_and_grad_from_params({0.7, 1.3}).first);
  check_error<ag::ArgumentError>({"no value \"penalti\"", "[penalty, partial, both]"}, [&](unsigned& line) {
    const ag::LossValue loss = model.calc_loss_from_params({0.7, 1.3});
    line = __LINE__ + 1;
    loss.aux["penalti"];
  });
}

TEST_CASE("descents return aux values at every step") {
  WithAux model;
  const auto check = [&](const ag::Trajectory& path, std::size_t nsteps) {
    REQUIRE(path.loss.size() == nsteps);
    REQUIRE(path.aux["both"].shape() == ag::Array::shape_type{nsteps, 2});
    for (std::size_t i = 0; i < nsteps; ++i) {
      const auto loss = model.calc_loss_from_params({path.params(i, 0), path.params(i, 1)});
      CHECK(path.loss(i) == Approx(loss.value).epsilon(1e-14));
      for (std::size_t k = 0; k < 2; ++k) {
        CHECK(path.aux["both"](i, k) == Approx(loss.aux["both"](k)).epsilon(1e-14));
      }
    }
  };
  check(model.run_simple_grad_descent({0.7, 1.3}, {.nsteps = 4, .learning_rate = 1e-6}), 4);
  check(model.run_adam({0.7, 1.3}, {.nsteps = 3}), 3);
}

TEST_CASE("parameters may come from any array") {
  WithAux model;
  const double expected = model.calc_loss_from_params({0.7, 1.3});
  const xt::xtensor<double, 2> path = {{9.0, 0.7}, {8.0, 1.3}, {7.0, 6.0}};
  CHECK(model.calc_loss_from_params(xt::view(path, xt::range(0, 2), 1)) == expected);
  CHECK(model.calc_loss_from_params(std::array{0.7, 1.3}) == expected);
  CHECK(model.calc_loss_from_params(xt::xarray<double>{0.35, 0.65} * 2.0) == expected);
  CHECK(model.calc_loss_from_params(std::vector<float>{1.0F, 2.0F}) == model.calc_loss_from_params({1.0, 2.0}));
  const auto fit = model.run_adam(xt::view(path, xt::range(0, 2), 1), {.nsteps = 1});
  CHECK(fit.loss(0) == expected);
}

TEST_CASE("aux values of a graph composed by hand") {
  const auto params = ag::parameters(1);
  const ag::Expr total = sum(params[0] * rows()["x"]);
  ag::CompiledGraph graph = ag::compile({square(total), {{"total", total}}}, params);
  ag::AuxValues aux;
  const double point[] = {2.0};
  const double loss = graph.value(point, {.aux = &aux});
  CHECK(loss == Approx(aux["total"]() * aux["total"]()));
  CHECK(aux["total"]() == Approx(2.0 * sum_over_rows([](double x) { return x; })));
}

namespace {

/// The mean of p0 + p1 normal over rows, which the loss compares with 1; the loss may add a draw of its own.
class Drawing final : public ag::OnePointModel {
 public:
  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    ++graphs_built;
    return mean(params[0] + params[1] * ag::random::normal(randkey(), {rows().rows()}));
  }
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& stats) const override { return square(stats.value - 1.0); }

  static double mean_of_draws(const ag::Key& key) { return xt::mean(ag::random::normal(key, {num_rows}))(); }

  mutable int graphs_built = 0;
};

}  // namespace

TEST_CASE("a model draws with the key of the evaluation, which needs no new graph") {
  Drawing model;
  for (const int seed : {1, 2, 77}) {
    const double average = 0.4 + 0.3 * Drawing::mean_of_draws(seed);
    CHECK(model.calc_sumstats_from_params({0.4, 0.3}, true, seed)() == Approx(average).epsilon(1e-12));
    const double expected = (average - 1.0) * (average - 1.0);
    CHECK(model.calc_loss_from_params({0.4, 0.3}, seed) == Approx(expected).epsilon(1e-12));
    const auto [loss, gradient] = model.calc_loss_and_grad_from_params({0.4, 0.3}, seed);
    CHECK(loss == Approx(expected).epsilon(1e-12));
    CHECK(gradient(1) == Approx(2.0 * (average - 1.0) * Drawing::mean_of_draws(seed)).epsilon(1e-12));
    CHECK(model.calc_dloss_dparams({0.4, 0.3}, seed)(0) == Approx(2.0 * (average - 1.0)).epsilon(1e-12));
    CHECK(ag::evaluate(model.calc_partial_sumstats_from_params(ag::constant({0.4, 0.3})).value, model.communicator(),
                       true, seed)() == Approx(average).epsilon(1e-12));
  }
  const int built_by_model = 1, built_by_evaluate = 3;
  CHECK(model.graphs_built == built_by_model + built_by_evaluate);
}

TEST_CASE("Adam takes another key at each step, L-BFGS-B holds it") {
  Drawing model;
  const ag::Key key = 5;
  const auto path = model.run_adam({0.4, 0.3}, {.nsteps = 4, .randkey = key});
  const auto held = model.run_adam({0.4, 0.3}, {.nsteps = 4, .randkey = key, .const_randkey = true});
  for (std::size_t i = 0; i < 4; ++i) {
    const ag::Key own = ag::random::fold_in(key, static_cast<std::uint32_t>(i));
    CHECK(path.loss(i) == Approx(model.calc_loss_from_params({path.params(i, 0), path.params(i, 1)}, own).value));
    CHECK(held.loss(i) == Approx(model.calc_loss_from_params({held.params(i, 0), held.params(i, 1)}, key).value));
  }
  const auto fit = model.run_bfgs({0.4, 0.3}, {.randkey = key});
  CHECK(fit.success);
  CHECK(fit.fun == Approx(model.calc_loss_from_params({fit.x(0), fit.x(1)}, key).value).margin(1e-12));
}

TEST_CASE("a key that is missing, and one that nothing is drawn with") {
  Drawing drawing;
  WithAux plain;
  const auto refuses = [](const std::vector<std::string>& parts, auto action) {
    check_parts(caught<ag::ArgumentError>([&](unsigned&) { action(); }).text, parts);
  };
  const std::vector<std::string> missing = {"model_api.cpp", "expected a random key", "got none", "{.randkey = 42}"};
  refuses(missing, [&] { drawing.calc_loss_from_params({0.4, 0.3}); });
  refuses(missing, [&] { drawing.calc_sumstats_from_params({0.4, 0.3}); });
  refuses(missing, [&] { drawing.calc_dloss_dparams({0.4, 0.3}); });
  refuses(missing, [&] { drawing.run_adam({0.4, 0.3}); });
  refuses(missing, [&] { drawing.run_bfgs({0.4, 0.3}); });
  const std::vector<std::string> needless = {"expected no random key", "draws no random numbers"};
  refuses(needless, [&] { plain.calc_loss_from_params({0.7, 1.3}, 3); });
  refuses(needless, [&] { plain.calc_sumstats_from_params({0.7, 1.3}, true, 3); });
  refuses(needless, [&] { plain.calc_loss_and_grad_from_params({0.7, 1.3}, 3); });
  refuses(needless, [&] { plain.run_adam({0.7, 1.3}, {.randkey = 3}); });
  if (drawing.communicator().size() == 1) return;
  const int own_key = drawing.communicator().rank();
  check_parts(caught<ag::DivergenceError>([&](unsigned&) {
                drawing.calc_loss_from_params({0.4, 0.3}, own_key);
              }).text,
              {"these differ: random key"});
}

TEST_CASE("statistics in total, and each rank's share of them") {
  WithAux model;
  const double total = model.calc_sumstats_from_params({0.7, 1.3})();
  CHECK(total == Approx(Expected(0.7, 1.3).sumstats).epsilon(1e-12));
  const double share = model.calc_sumstats_from_params({0.7, 1.3}, false)();
  double own = 0.0;
  const auto [first, last] = uneven(num_rows, model.communicator().rank(), model.communicator().size());
  for (std::size_t row = first; row < last; ++row) own += 0.7 * x_of(row) * x_of(row);
  CHECK(share == Approx(own).epsilon(1e-12));
  CHECK(ag::reduce_sum(share) == Approx(total).epsilon(1e-12));
}

TEST_CASE("the user's functions can be called with numbers") {
  WithAux model;
  const Expected expected(0.7, 1.3);
  const ag::Sumstats stats = model.calc_partial_sumstats_from_params(ag::constant({0.7, 1.3}));
  CHECK(ag::evaluate(stats.value)() == Approx(expected.sumstats).epsilon(1e-12));
  CHECK(ag::reduce_sum(ag::evaluate(stats.value, model.communicator(), false)()) ==
        Approx(expected.sumstats).epsilon(1e-12));
  CHECK(ag::evaluate(model.calc_loss_from_sumstats(stats).value)() == Approx(expected.loss).epsilon(1e-12));

  const ag::Array per_row = ag::evaluate(stats.aux["per_row"]);
  REQUIRE(per_row.size() == rows().local_rows());
  for (std::size_t i = 0; i < per_row.size(); ++i) CHECK(per_row(i) == 1.3 * x_of(rows().first_row() + i));

  const xt::xarray<double> numbers = {3.0};
  const ag::Sumstats from_numbers(numbers);
  CHECK(ag::evaluate(from_numbers.value)(0) == 3.0);
}

TEST_CASE("evaluate refuses what has no value") {
  check_error<ag::ExpressionError>({"depends on parameters", "constant({-2.0, 0.3})"}, [](unsigned& line) {
    line = __LINE__ + 1;
    const ag::Expr params = ag::parameters(1);
    ag::evaluate(params[0] * 2.0);
  });
  check_error<ag::ExpressionError>({"empty Expr"}, [](unsigned& line) {
    line = __LINE__ + 1;
    ag::evaluate(ag::Expr());
  });
}

TEST_CASE("ranks that want different things are told so") {
  const auto world = ag::Communicator::world();
  if (world.size() == 1) return;
  const bool is_first = world.rank() == 0;
  const auto refuses = [](const std::vector<std::string>& parts, auto action) {
    check_parts(caught<ag::DivergenceError>([&](unsigned&) { action(); }).text, parts);
  };
  const ag::Expr total = sum(rows()["x"]);
  refuses({"the total or the share"}, [&] { ag::evaluate(total, world, is_first); });
  const auto draw = ag::random::uniform(ag::random::key(), {});
  refuses({"same random key"}, [&] { ag::evaluate(draw, world, true, is_first ? 1 : 2); });

  const auto params = ag::parameters(1);
  const ag::Expr value = params[0] * total, loss = square(value);
  refuses({"same results on every rank", is_first ? "[loss, aux value]" : "[loss]"}, [&] {
    ag::compile(is_first ? ag::Loss(loss, {{"value", value}}) : ag::Loss(loss), params);
  });
  refuses({"same results on every rank", "[loss, aux a, aux b]"}, [&] {
    ag::compile({loss, {{"a", is_first ? value : loss}, {"b", is_first ? loss : value}}}, params);
  });
}

TEST_CASE("after ranks have evaluated different things, they can evaluate the same again") {
  WithAux model;
  const auto expected = model.calc_loss_from_params({0.7, 1.3});
  if (model.communicator().size() > 1) {
    const double own = 0.7 + model.communicator().rank();
    CHECK_THROWS_AS(model.calc_loss_from_params({own, 1.3}), ag::DivergenceError);
  }
  CHECK(model.calc_loss_from_params({0.7, 1.3}) == expected.value);
}

TEST_CASE("graphs are built once, and each result costs its own messages") {
  WithAux model;
  const auto messages = [&](auto action) {
    action();  // the first compiles
    const std::size_t before = model.communicator().collectives();
    action();
    return model.communicator().collectives() - before;
  };
  CHECK(messages([&] { model.calc_sumstats_from_params({1.0, 2.0}); }) == 1);
  CHECK(messages([&] { model.calc_sumstats_from_params({1.0, 2.0}, false); }) == 1);
  const std::size_t loss = messages([&] { model.calc_loss_from_params({1.0, 2.0}); });
  const std::size_t both = messages([&] { model.calc_loss_and_grad_from_params({1.0, 2.0}); });
  CHECK(loss == 1);
  CHECK(both == 1);  // with few parameters, derivatives of statistics travel with the statistics
  CHECK(messages([&] { model.calc_dloss_dparams({1.0, 2.0}); }) == 1);
  CHECK(messages([&] { model.calc_sumstats_and_jacobian({1.0, 2.0}); }) == 1);
  CHECK(model.graphs_built == 1);
}

TEST_CASE("a frozen parameter is not differentiated by") {
  const unsigned line_of_params = __LINE__ + 1;
  const auto params = ag::parameters(2);
  const ag::Expr x = rows()["x"];
  ag::CompiledGraph graph = ag::compile(sum(square(params[0] * x) + exp(params[1] * x)), params);
  const double point[] = {0.7, 0.3};
  std::vector<double> all(2), part(2);
  const double loss = graph.value_and_gradient(point, all);
  CHECK(graph.value_and_gradient(point, part, {.frozen = {false, true}}) == Approx(loss).epsilon(1e-14));
  CHECK(part[0] == Approx(all[0]).epsilon(1e-14));
  CHECK(part[1] == 0.0);

  const ag::Expr of_slice = view(params, {ag::range(1, 2)})[0];
  ag::CompiledGraph through_slice = ag::compile(sum(square(params[0] * x) + exp(of_slice * x)), params);
  through_slice.value_and_gradient(point, part, {.frozen = {false, true}});
  CHECK(part[0] == Approx(all[0]).epsilon(1e-14));
  CHECK(part[1] == 0.0);

  const auto four = ag::parameters(4);
  const ag::Expr of_even = view(four, {ag::range(0, 4, 2)});  // 0 and 2, of which one is free
  ag::CompiledGraph strided = ag::compile(sum(square(of_even)) + sum(square(x)) * four[1] + four[3], four);
  const double even[] = {0.5, 0.25, 2.0, 1.0};
  std::vector<double> of_four(4);
  strided.value_and_gradient(even, of_four, {.frozen = {true, true, false, false}});
  CHECK(of_four[2] == 4.0);
  CHECK(of_four[3] == 1.0);

  check_error<ag::ArgumentError>({"`frozen`", "2 entries", "got 1"}, [&](unsigned& line) {
    line = line_of_params;
    graph.value_and_gradient(point, part, {.frozen = {true}});
  });
}

TEST_CASE("aux values that cannot be returned are refused") {
  const auto params = ag::parameters(1);
  const ag::Expr x = rows()["x"];
  check_error<ag::ExpressionError>({"the aux value \"rows\" of the loss", "a value per row"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    const ag::Expr per_row = params[0] * x;
    ag::compile({sum(per_row), {{"rows", per_row}}}, params);
  });
  check_error<ag::ArgumentError>({"two values are named \"a\""}, [&](unsigned& line) {
    line = __LINE__ + 1;
    const ag::Loss loss = {params[0], {{"a", x}, {"a", x}}};
  });
}

TEST_CASE("a model takes what its members are at its first use, and at the first after rebuild()") {
  double power = 1.0;
  std::size_t built = 0;
  LambdaModel model(
      [&](const ag::Expr& params) {
        ++built;
        return sum(pow(rows()["x"], power)) * sum(params);
      },
      [](const ag::Sumstats& sumstats) { return square(sumstats.value); });
  const double x = sum_over_rows([](double v) { return v; }), xx = sum_over_rows([](double v) { return v * v; });
  CHECK(model.calc_loss_from_params({0.5}) == Approx(0.25 * x * x));
  power = 2.0;
  CHECK(model.calc_loss_from_params({0.5}) == Approx(0.25 * x * x));
  model.rebuild();
  CHECK(built == 1);
  CHECK(model.calc_sumstats_from_params({0.5})() == Approx(0.5 * xx));
  CHECK(model.calc_dloss_dparams({0.5})(0) == Approx(xx * xx));
  CHECK(built == 2);
  model.rebuild();
  model.rebuild();
  CHECK(model.calc_loss_from_params({0.5, 1.0}) == Approx(2.25 * xx * xx));
  CHECK(built == 3);
}

}  // namespace test_model_api
