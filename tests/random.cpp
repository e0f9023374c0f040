// Random numbers: those of JAX, drawn as numbers and in expressions; draws per row that do not depend on how rows are
// spread over ranks; models that draw; keys that are missing, not needed or no keys.
#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <xtensor/xview.hpp>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "compile/program.hpp"
#include "dsl/random_key.hpp"
#include "evaluation.hpp"
#include "graph/traversal.hpp"
#include "schedule/row_loops.hpp"

namespace test_random {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;
using ag::Key;
using ag::random::bits;
using ag::random::fold_in;
using ag::random::normal;
using ag::random::split;
using ag::random::uniform;

namespace {

const Json& jax_keys() {
  static const Json entries = read_json("random.json").at("keys");
  return entries;
}

Key key_of(const Json& entry) { return entry.at("seed").get<std::uint64_t>(); }

template <class T>
void append_numbers(const Json& json, std::vector<T>& result) {
  if (json.is_array()) {
    for (const Json& element : json) append_numbers(element, result);
  } else if constexpr (std::is_integral_v<T>) {
    result.push_back(static_cast<T>(std::stoull(json.get<std::string>())));
  } else {
    result.push_back(json.get<T>());
  }
}

/// Numbers of an entry, nested or not; integers are written as strings.
template <class T>
std::vector<T> numbers(const Json& entry, const std::string& name) {
  std::vector<T> result;
  append_numbers(entry.at(name), result);
  return result;
}

std::vector<double> as_doubles(const std::vector<std::uint32_t>& words) { return {words.begin(), words.end()}; }

std::vector<std::uint32_t> words_of(const std::vector<Key>& keys) {
  std::vector<std::uint32_t> words;
  for (const Key& key : keys) words.insert(words.end(), key.words().begin(), key.words().end());
  return words;
}

template <class T>
std::vector<T> flat(const xt::xarray<T>& array) {
  return {array.begin(), array.end()};
}

void check_all_close(const std::vector<double>& expected, const std::vector<double>& actual, double tolerance) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("element " << i << ": expected " << expected[i] << ", got " << actual[i]);
    CHECK(std::abs(actual[i] - expected[i]) <= tolerance * std::max(1.0, std::abs(expected[i])));
  }
}

/// An expression of no parameters.
std::vector<double> drawn(const Expr& value, ag::ExecutorKind executor, const std::optional<Key>& randkey,
                          const ag::Communicator& comm = ag::Communicator::world()) {
  return evaluate(value, ag::parameters(1), {0.0}, comm, executor, randkey);
}

}  // namespace

TEST_CASE("numbers equal JAX's") {
  REQUIRE(jax_keys().size() == 5);
  for (const Json& entry : jax_keys()) {
    const Key key = key_of(entry);
    INFO("seed " << entry.at("seed"));
    CHECK(words_of({key}) == numbers<std::uint32_t>(entry, "key"));
    CHECK(words_of(split(key, 3)) == numbers<std::uint32_t>(entry, "split_3"));
    CHECK(split(key).size() == 2);
    CHECK(words_of({fold_in(key, 7)}) == numbers<std::uint32_t>(entry, "fold_in_7"));
    CHECK(flat(bits<std::uint32_t>(key, {8})) == numbers<std::uint32_t>(entry, "bits32_8"));
    CHECK(flat(bits<std::uint64_t>(key, {8})) == numbers<std::uint64_t>(entry, "bits64_8"));
    CHECK(flat(uniform(key, {8})) == numbers<double>(entry, "uniform_f64_8"));
    CHECK(flat(uniform<float>(key, {8})) == numbers<float>(entry, "uniform_f32_8"));
    const xt::xarray<double> table = uniform(key, {4, 3});
    CHECK(table.dimension() == 2);
    CHECK(flat(table) == numbers<double>(entry, "uniform_f64_4x3"));
    const std::vector<double> many = flat(uniform(key, {100000}));
    CHECK(std::vector(many.end() - 3, many.end()) == numbers<double>(entry, "uniform_f64_last_of_100000"));
    check_all_close(numbers<double>(entry, "normal_f64_8"), flat(normal(key, {8})), 1e-14);
    const std::vector<float> normals = flat(normal<float>(key, {8}));
    check_all_close(numbers<double>(entry, "normal_f32_8"), {normals.begin(), normals.end()},
                    4.0 * std::numeric_limits<float>::epsilon());
  }
}

TEST_CASE("uniform numbers between bounds") {
  const xt::xarray<double> u = uniform(Key(3), {1000});
  CHECK(flat(uniform(Key(3), {1000}, -2.0, 5.0)) == flat<double>(u * 7.0 - 2.0));
  CHECK(xt::amin(u)() < 0.01);
  CHECK(xt::amax(u)() > 0.99);
  CHECK(flat(uniform<float>(Key(3), {4}, 0.25F, 0.25F)) == std::vector(4, 0.25F));
}

TEST_CASE("expressions draw JAX's numbers") {
  const Expr key = ag::random::key();
  for (const ag::ExecutorKind executor : executors) {
    for (const Json& entry : jax_keys()) {
      INFO(to_string(executor) << ", seed " << entry.at("seed"));
      const auto at_key = [&](const Expr& value) { return drawn(value, executor, key_of(entry)); };
      CHECK(at_key(key) == as_doubles(numbers<std::uint32_t>(entry, "key")));
      CHECK(at_key(split(key, 3)) == as_doubles(numbers<std::uint32_t>(entry, "split_3")));
      CHECK(at_key(fold_in(key, 7)) == as_doubles(numbers<std::uint32_t>(entry, "fold_in_7")));
      CHECK(at_key(bits(key, {8})) == as_doubles(numbers<std::uint32_t>(entry, "bits32_8")));
      CHECK(at_key(uniform(key, {8})) == numbers<double>(entry, "uniform_f64_8"));
      CHECK(at_key(uniform(key, {4, 3})) == numbers<double>(entry, "uniform_f64_4x3"));
      CHECK(at_key(uniform(key, {}))[0] == numbers<double>(entry, "uniform_f64_8")[0]);
      CHECK(at_key(view(uniform(key, {100000}), ag::range(-3, 100000))) ==
            numbers<double>(entry, "uniform_f64_last_of_100000"));
      check_all_close(numbers<double>(entry, "normal_f64_8"), at_key(normal(key, {8})), 1e-12);
    }
  }
}

TEST_CASE("a Key in an expression is the same in every evaluation") {
  const Key key(42);
  const Expr lazy = ag::random::key();
  const ag::Table rows = deal("rows", {{"x", noise_column(5, 1)}}, uneven, ag::Communicator::world());
  for (const ag::ExecutorKind executor : executors) {
    const Expr params = ag::parameters(1);
    const Expr data = params[0] + 7.0;
    CHECK(evaluate(fold_in(key, data), params, {0.0}, ag::Communicator::world(), executor) ==
          as_doubles(words_of({fold_in(key, 7)})));
    check_all_close({xt::sum(normal(key, {5}))()}, drawn(sum(normal(key, {rows.rows()}), 0), executor, {}), 1e-14);
    CHECK(drawn(uniform(split(lazy, 3)[1], {4}), executor, key) == flat(uniform(split(key, 3)[1], {4})));
  }
}

namespace {

/// Every element of a value per row [rows], [rows, n] or [n, rows], in the order of the rows of all ranks.
Expr collect(const Expr& value, const Expr& row, std::size_t axis, std::size_t total) {
  const Expr is_row = equal(expand_dims(row, 1), xt::arange<double>(static_cast<double>(total)));  // [rows, total]
  if (value.ndim() == 1) return sum(where(is_row, expand_dims(value, 1), 0.0), 0);
  std::vector<Expr> parts;
  for (std::size_t i = 0; i < 3; ++i) {
    const Expr lane = axis == 0 ? view(value, ag::all(), i) : view(value, i);
    parts.push_back(sum(where(is_row, expand_dims(lane, 1), 0.0), 0));
  }
  return ag::stack(parts, axis == 0 ? 1 : 0);
}

}  // namespace

TEST_CASE("draws per row are those of one process, however the rows are spread") {
  const ag::Communicator world = ag::Communicator::world();
  constexpr std::size_t total = 23;
  std::vector<double> row(total);
  for (std::size_t i = 0; i < total; ++i) row[i] = static_cast<double>(i);
  const Expr key = ag::random::key();
  for (const Split spread : {all_on_first, first_is_empty, uneven, one_and_eleven}) {
    const ag::Table table = deal("rows", {{"row", row}}, spread, world);
    for (const ag::ExecutorKind executor : executors) {
      INFO(to_string(executor));
      const auto check = [&](const Expr& value, std::size_t axis, const auto& expected, double tolerance) {
        const auto numbers = flat(expected);
        check_all_close({numbers.begin(), numbers.end()},
                        drawn(collect(value, table["row"], axis, total), executor, Key(11)), tolerance);
      };
      check(uniform(key, {table.rows()}), 0, uniform(Key(11), {total}), 0.0);
      check(bits(key, {table.rows()}), 0, bits(Key(11), {total}), 0.0);
      check(uniform(key, {table.rows(), 3}), 0, uniform(Key(11), {total, 3}), 0.0);
      check(uniform(key, {3, table.rows()}), 1, uniform(Key(11), {3, total}), 0.0);
      check(normal(key, {table.rows(), 3}), 0, normal(Key(11), {total, 3}), 1e-12);
      check(normal(fold_in(key, 5), {table.rows()}), 0, normal(fold_in(Key(11), 5), {total}), 1e-12);
    }
  }
}

TEST_CASE("rows of many tiles are numbered on") {
  const ag::Communicator world = ag::Communicator::world();
  constexpr std::size_t total = 20011;
  const ag::Table table = deal("rows", {{"x", noise_column(total, 1)}}, uneven, world);
  const double expected = xt::sum(xt::square(normal(Key(5), {total, 2})))();
  const Expr squares = sum(square(normal(ag::random::key(), {table.rows(), 2})));
  for (const ag::ExecutorKind executor : executors) {
    CHECK(drawn(squares, executor, Key(5))[0] == Approx(expected).epsilon(1e-12));
  }
}

namespace {

constexpr std::size_t num_rows = 41;
const std::vector<double> at = {0.4, -0.3, 0.8};

/// A loss of what is drawn per row and beside rows; the same formula for draws and for numbers in their place.
Expr noisy_loss(const Expr& params, const Expr& x, const Expr& scatter, const Expr& triple, const Expr& offsets) {
  const Expr y = x * params[0] + params[1] + exp(params[2]) * scatter;            // [rows]
  const Expr z = tanh(expand_dims(y, 1) + params[0] * (triple - 0.5) + offsets);  // [rows, 3]
  const Expr statistics = ag::concatenate({mean(z, 0), ag::stack({mean(square(y))})});
  return sum(square(log(2.0 + statistics) - 0.3)) + params[1] * sum(offsets);
}

Expr drawing_loss(const Expr& params, const ag::Table& halos) {
  const Expr keys = split(ag::random::key(), 3);
  return noisy_loss(params, halos["x"], normal(keys[0], {halos.rows()}), uniform(keys[1], {halos.rows(), 3}),
                    normal(keys[2], {3}));
}

/// The same with columns of the numbers that are drawn at `key`, in one process that holds all rows.
LossAndGradient expected_at(Key key) {
  const std::vector<Key> keys = split(key, 3);
  const xt::xarray<double> triple = uniform(keys[1], {num_rows, 3});
  WholeColumns columns = {{"x", noise_column(num_rows, 1)}, {"scatter", flat(normal(keys[0], {num_rows}))}};
  for (std::size_t i = 0; i < 3; ++i) {
    columns.emplace_back(std::to_string(i), flat(xt::xarray<double>(xt::view(triple, xt::all(), i))));
  }
  const ag::Table halos = deal("halos", columns, all_on_first, self());
  const Expr params = ag::parameters(at.size());
  const Expr loss = noisy_loss(params, halos["x"], halos["scatter"], ag::stack({halos["0"], halos["1"], halos["2"]}, 1),
                               ag::constant(normal(keys[2], {3})));
  return evaluate_with_gradient(loss, params, at, self(), ag::ExecutorKind::reference);
}

ag::CompiledGraph compile_drawing(Split spread, ag::ExecutorKind executor) {
  const ag::Communicator world = ag::Communicator::world();
  const ag::Table halos = deal("halos", {{"x", noise_column(num_rows, 1)}}, spread, world);
  const Expr params = ag::parameters(at.size());
  return compile(drawing_loss(params, halos), params, world, {executor});
}

}  // namespace

TEST_CASE("a model that draws has the same loss and gradient on any number of ranks, at any key") {
  const Key keys[] = {42, 43};
  const LossAndGradient expected[] = {expected_at(keys[0]), expected_at(keys[1])};
  CHECK(std::abs(expected[0].loss - expected[1].loss) > 1e-3);
  for (const Split spread : {all_on_first, first_is_empty, uneven, one_and_eleven}) {
    for (const ag::ExecutorKind executor : executors) {
      ag::CompiledGraph graph = compile_drawing(spread, executor);
      for (const std::size_t k : std::array<std::size_t, 3>{0, 1, 0}) {
        INFO(to_string(executor) << ", key " << k);
        const ag::EvaluationOptions options = {.randkey = keys[k]};
        std::vector<double> gradient(at.size());
        const std::size_t before = graph.communicator().collectives();
        CHECK(graph.value_and_gradient(at, gradient, options) == Approx(expected[k].loss).epsilon(1e-12));
        if (executor == ag::ExecutorKind::tiled) CHECK(graph.communicator().collectives() - before == 1);
        check_close(expected[k].gradient, gradient, 1e-12);
        CHECK(graph.value(at, options) == Approx(expected[k].loss).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("gradients pass through draws at a fixed key") {
  ag::CompiledGraph graph = compile_drawing(uneven, ag::ExecutorKind::tiled);
  const ag::EvaluationOptions options = {.randkey = 3};
  std::vector<double> gradient(at.size());
  graph.value_and_gradient(at, gradient, options);
  check_close(numeric_gradient([&](std::span<const double> p) { return graph.value(p, options); }, at), gradient, 1e-9);
}

TEST_CASE("bounds of uniform numbers may depend on parameters") {
  const Expr params = ag::parameters(2);
  const Expr drawn_between = uniform(ag::random::key(), {4, 2}, params[0], ag::stack({params[1], params[1] + 1.0}));
  const xt::xarray<double> u = uniform(Key(9), {4, 2});
  for (const ag::ExecutorKind executor : executors) {
    const auto [loss, gradient] =
        evaluate_with_gradient(sum(drawn_between), params, {-0.5, 2.0}, ag::Communicator::world(), executor, Key(9));
    const double sum_of_u = xt::sum(u)(), sum_of_last = xt::sum(xt::view(u, xt::all(), 1))();
    CHECK(loss == Approx(-0.5 * 8 + 2.5 * sum_of_u + sum_of_last).epsilon(1e-13));
    check_close({{8.0 - sum_of_u, sum_of_u}}, gradient, 1e-13);
  }
}

TEST_CASE("bounds the wrong way round give minval, as in JAX, and NaN stays NaN") {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(flat(uniform(Key(9), {3}, 2.0, 1.0)) == std::vector(3, 2.0));
  CHECK(flat(uniform<float>(Key(9), {3}, 2.0F, 1.0F)) == std::vector(3, 2.0F));
  const std::pair<double, double> no_interval[] = {{-infinity, infinity}, {1.0, nan}, {nan, 1.0}};
  for (const auto& [minval, maxval] : no_interval) CHECK(std::isnan(uniform(Key(9), {1}, minval, maxval)(0)));
  const Expr params = ag::parameters(2);
  const Expr draws = uniform(ag::random::key(), {4}, params[0], params[1]);
  const double sum_of_u = xt::sum(uniform(Key(9), {4}))();
  for (const ag::ExecutorKind executor : executors) {
    const auto between = [&](double minval, double maxval) {
      return evaluate_with_gradient(sum(draws), params, {minval, maxval}, ag::Communicator::world(), executor, Key(9));
    };
    CHECK(drawn(uniform(ag::random::key(), {3}, 2.0, 1.0), executor, Key(9)) == std::vector(3, 2.0));
    CHECK(between(2.0, 1.0).loss == 8.0);
    CHECK(between(2.0, 1.0).gradient == std::vector{4.0, 0.0});
    CHECK(between(2.0, 2.0).loss == 8.0);  // max shares its derivative between equal arguments
    check_close({{4.0 - 0.5 * sum_of_u, 0.5 * sum_of_u}}, between(2.0, 2.0).gradient, 1e-14);
    check_close({{4.0 - sum_of_u, sum_of_u}}, between(1.0, 2.0).gradient, 1e-14);
    for (const auto& [minval, maxval] : no_interval) CHECK(std::isnan(between(minval, maxval).loss));
  }
}

TEST_CASE("a rounded draw may be maxval") {
  const double maxval = std::nextafter(1.0, 2.0);
  const std::vector<double> draws = flat(uniform(Key(9), {64}, 1.0, maxval));
  CHECK(std::ranges::count(draws, maxval) > 0);
  CHECK(std::ranges::count(draws, 1.0) > 0);
}

TEST_CASE("shapes of draws that no memory holds") {
  const Expr key = ag::random::key();
  const std::size_t half = std::size_t{1} << 32;  // half * half is 0 in 64 bits
  check_error<ag::ExpressionError>({"shape [4294967296, 4294967296] has more elements than any memory"},
                                   [&](unsigned& line) {
                                     line = __LINE__ + 1;
                                     uniform(key, {half, half});
                                   });
  check_error<ag::ExpressionError>({"shape [18446744073709551615] has more elements", "negative"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    split(key, std::size_t{0} - 1);
  });
  check_error<ag::ExpressionError>({"shape [rows, rows] would have two row axes"}, [&](unsigned& line) {
    const ag::Table table = deal("rows", {{"x", noise_column(5, 1)}}, uneven, ag::Communicator::world());
    line = __LINE__ + 1;
    normal(key, {table.rows(), table.rows()});
  });
  check_error<ag::ExpressionError>(
      {"fewer than 2^52 draws over all rows, got shape [rows, 4398046511104]"}, [&](unsigned& line) {
        const std::size_t many = std::size_t{1} << 42;
        const std::vector<double> x = noise_column(1024, 1);
        const ag::Table table = deal("rows", {{"x", x}}, uneven, ag::Communicator::world());
        line = __LINE__ + 1;
        bits(key, {table.rows(), many});
      });
  const std::vector<std::string> parts = {"fits into memory, got [4294967296, 4294967296]"};
  check_error<ag::ArgumentError>(parts, [&](unsigned& line) {
    line = __LINE__ + 1;
    uniform(Key(1), {half, half});
  });
  check_error<ag::ArgumentError>(parts, [&](unsigned& line) {
    line = __LINE__ + 1;
    normal(Key(1), {half, half});
  });
  check_error<ag::ArgumentError>(parts, [&](unsigned& line) {
    line = __LINE__ + 1;
    bits(Key(1), {half, half});
  });
  check_error<ag::ArgumentError>({"got [18446744073709551615]"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    split(Key(1), std::size_t{0} - 1);
  });
}

TEST_CASE("equal draws are one node, draws with other keys are not") {
  const Expr params = ag::parameters(1);
  const auto draws = [&](const Expr& loss) {
    const std::string text = compile(loss * params[0], params).text();
    std::size_t count = 0;
    for (std::size_t found = text.find("random_uniform"); found != std::string::npos;
         found = text.find("random_uniform", found + 1)) {
      ++count;
    }
    return count;
  };
  const Expr key = ag::random::key(), same = ag::random::key();
  CHECK(draws(sum(uniform(key, {3})) * sum(uniform(same, {3}))) == 1);
  CHECK(draws(sum(uniform(fold_in(key, 1), {3})) * sum(uniform(fold_in(key, 2), {3}))) == 2);
  CHECK(draws(sum(uniform(ag::random::KeyOperand(Key(1)), {3}))) == 0);  // computed once
}

TEST_CASE("graphs tell what is drawn") {
  const ag::Table halos = deal("halos", {{"x", noise_column(5, 1)}}, uneven, ag::Communicator::world());
  const Expr loss = mean(uniform(ag::random::key(), {halos.rows()}));
  const std::string dot = ag::to_dot({{"loss", loss}}, ag::row_loops_of({loss}));
  check_parts(dot, {"<b>random_key</b>", "[2] replicated", "<b>random_uniform</b>", "<b>row_number</b> halos",
                    "[rows] per_row", "sweep 1 over the rows of halos", "random.cpp:"});
  check_parts(ag::to_text({{"loss", loss}}), {"random_key()", "row_number halos()", "random_uniform(%0, %1)"});
}

TEST_CASE("whether a graph draws") {
  const Expr params = ag::parameters(2), key = ag::random::key();
  const std::vector<Expr> drawing = {sum(params), sum(normal(key, {2}) * params)};
  CHECK(ag::find_draw(drawing)->operands[0].node() == key.node());
  CHECK(ag::find_draw({drawing[0]}) == nullptr);
  const ag::Communicator world = ag::Communicator::world();
  CHECK(ag::Program({0, "outputs"}, {{"value", drawing[1]}}, params, world, {}).draws());
  CHECK_FALSE(ag::Program({0, "outputs"}, {{"value", drawing[0]}}, params, world, {}).draws());
}

TEST_CASE("a missing key") {
  const Expr params = ag::parameters(1);
  const ag::Communicator world = ag::Communicator::world();
  unsigned line_of_draw = __LINE__ + 1;
  const Expr loss = square(params[0] + normal(ag::random::key(), {}));
  const std::vector<std::string> parts = {"random numbers are drawn here", "got none", "{.randkey = 42}"};
  for (const ag::ExecutorKind executor : executors) {
    ag::CompiledGraph graph = compile(loss, params, world, {executor});
    std::vector<double> gradient(1);
    check_error<ag::ArgumentError>(parts, [&](unsigned& line) {
      line = line_of_draw;
      graph.value(std::vector{1.0});
    });
    check_error<ag::ArgumentError>(parts, [&](unsigned& line) {
      line = line_of_draw;
      graph.value_and_gradient(std::vector{1.0}, gradient);
    });
    if (world.size() > 1) {  // on the last rank only
      const bool is_last = world.rank() == world.size() - 1;
      const auto evaluate = [&](unsigned&) {
        graph.value(std::vector{1.0}, is_last ? ag::EvaluationOptions{} : ag::EvaluationOptions{.randkey = 1});
      };
      check_parts(caught<ag::RankError>(evaluate).text, parts);
    }
    CHECK(graph.value(std::vector{1.0}, {.randkey = 1}) == Approx(std::pow(1.0 + normal(Key(1), {})(), 2)));
  }
}

TEST_CASE("a key for a loss that draws nothing") {
  const Expr params = ag::parameters(1);
  unsigned line_of_loss = __LINE__ + 1;
  ag::CompiledGraph graph = compile(square(params[0]), params);
  std::vector<double> gradient(1);
  const std::vector<std::string> parts = {"expected no random key", "draws no random numbers", "leave it out"};
  check_error<ag::ArgumentError>(parts, [&](unsigned& line) {
    line = line_of_loss;
    graph.value(std::vector{3.0}, {.randkey = 1});
  });
  check_error<ag::ArgumentError>(parts, [&](unsigned& line) {
    line = line_of_loss;
    graph.value_and_gradient(std::vector{3.0}, gradient, {.randkey = 1});
  });
  CHECK(graph.value(std::vector{3.0}) == 9.0);
}

TEST_CASE("other keys on other ranks") {
  const ag::Communicator world = ag::Communicator::world();
  if (world.size() == 1) return;
  const ag::Table halos = deal("halos", {{"x", noise_column(9, 1)}}, uneven, world);
  const Expr params = ag::parameters(1);
  ag::CompiledGraph graph = compile(params[0] * mean(normal(ag::random::key(), {halos.rows()})), params);
  const auto evaluate = [&](unsigned&) { graph.value(std::vector{1.0}, {.randkey = world.rank()}); };
  check_parts(caught<ag::DivergenceError>(evaluate).text, {"these differ: random key"});
  CHECK(std::isfinite(graph.value(std::vector{1.0}, {.randkey = 1})));
}

TEST_CASE("what is no key, no bound and no number to fold in") {
  const Expr key = ag::random::key();
  check_error<ag::ExpressionError>({"expected a key, shape [2], got shape [3, 2]", "split(key, 3)[0]"},
                                   [&](unsigned& line) {
                                     line = __LINE__ + 1;
                                     normal(split(key, 3), {4});
                                   });
  check_error<ag::ExpressionError>({"bounds that broadcast to the shape of the draws, [4]", "shape [3]"},
                                   [&](unsigned& line) {
                                     line = __LINE__ + 1;
                                     uniform(key, {4}, 0.0, xt::xarray<double>{1.0, 2.0, 3.0});
                                   });
  check_error<ag::ExpressionError>({"fold_in: expected one number", "shape [2]"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    fold_in(key, ag::parameters(2));
  });
  for (const std::int64_t number : {std::int64_t{-1}, std::int64_t{1} << 32}) {
    check_error<ag::ArgumentError>(
        {fmt::format("fold_in: expected a whole number from 0 to 4294967295, got {}", number)}, [&](unsigned& line) {
          line = __LINE__ + 1;
          fold_in(Key(1), number);
        });
  }
  for (const double number : {-1.0, 0.5, 0x1p32, std::numeric_limits<double>::quiet_NaN()}) {
    check_error<ag::ExpressionError>({"fold_in: expected a whole number from 0 to 4294967295"}, [&](unsigned& line) {
      line = __LINE__ + 1;
      fold_in(key, number);
    });
  }
}

}  // namespace test_random
