// Random graphs of all operators: nested reductions, broadcasts, changes of shape, lookups, matrices, draws: both
// executors, both modes of differentiation, and any number of ranks give the loss and the gradient of one process that
// holds all rows; and where one row of a graph has no finite value or derivative, it is found. RC_PARAMS="seed=7
// max_success=10000" runs others.
#include <fmt/format.h>
#include <rapidcheck.h>

#include <array>
#include <cmath>
#include <cstdlib>

#include "allgrad/error.hpp"
#include "catch.hpp"
#include "dsl/elementwise.hpp"
#include "evaluation.hpp"
#include "graph/shape.hpp"

namespace test_random_graphs {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

constexpr std::size_t num_params = 5;

/// A step of building a graph: what to do, with which two of the values so far, and a choice such as an axis. All are
/// taken modulo what there is, so every sequence of steps is a graph, and so is each part of it.
using Step = std::array<std::uint8_t, 4>;
using Steps = std::vector<Step>;

/// A value and a bound of its size, so that graphs stay where rounding errors are small.
struct Value {
  Expr expr;
  double bound;
};

/// The row of its halo for each galaxy, in the order of the halos.
const std::vector<double> halo_of_galaxies = {0, 3, 3, 6, 8};

/// What column x has in its row 4.
enum class Flaw { none, value, derivative };

class GraphBuilder {
 public:
  GraphBuilder(const ag::Communicator& comm, Split split, Flaw flaw = Flaw::none)
      : halos_(deal("halos", {{"x", noise_column(9, 1)}, {"w", noise_column(9, 2)}, {"c", {1, 2, 3, 4, 0, 6, 7, 8, 9}}},
                    split, comm)),
        galaxies_(deal("galaxies", {{"y", noise_column(5, 3)}, {"halo", halo_of_galaxies}}, with_halos(split), comm)) {
    const Expr x = with(flaw), y = galaxies_["y"];
    for (const Expr& expr : {params[0], params[1], view(params, ag::range(2, 5)), x, halos_["w"], expand_dims(x, 1), y,
                             expand_dims(y, 1), x * params[0], expand_dims(y * params[1], 1)}) {
      values_.push_back({expr, 2.0});
    }
    values_.push_back({ag::constant(xt::xarray<double>{0.3, -0.8, 0.6}), 1.0});  // no sum of these is 0
    values_.push_back({ag::expand_dims(xt::xarray<double>{0.7, -0.2}, 1), 1.0});
    num_given_ = values_.size();
  }

  const Expr params = ag::parameters(num_params);

  /// Takes the step, where shapes allow it and the value stays small.
  void take(const Step& step) {
    try {
      const Value value = apply(step);
      if (value.bound < 1e3 && value.expr.ndim() <= 4 && ag::num_lanes(value.expr.shape()) - 1 < 48)
        values_.push_back(value);
    } catch (const ag::ExpressionError&) {
    }
  }

  const ag::Communicator& communicator() const { return halos_.communicator(); }

  /// Depends on every value that was built.
  Expr loss() const {
    Expr loss = sum(square(params - 0.1)) + sum(ag::random::uniform(key_, {num_params}) * params);
    for (std::size_t i = num_given_; i < values_.size(); ++i) loss += sin(mean(values_[i].expr));
    return loss;
  }

 private:
  /// Galaxies lie where their halos do.
  static Deal with_halos(Split split) {
    return [split](std::size_t, int rank, int size) {
      const auto [first, last] = split(9, rank, size);
      const auto number_below = [](std::size_t row) {
        return static_cast<std::size_t>(
            std::ranges::count_if(halo_of_galaxies, [row](double halo) { return halo < static_cast<double>(row); }));
      };
      return std::pair{number_below(first), number_below(last)};
    };
  }

  Value apply(const Step& step) const {
    const Value& a = values_[step[1] % values_.size()];
    const Value& b = values_[step[2] % values_.size()];
    switch (step[0] % 4) {
      case 0: return arrays(step[0] / 4, a, b, step[3]);
      case 1: return sums_and_lookups(step[0] / 4, a, b, step[3]);
      case 2: return steps_matrices_and_functions(step[0] / 4, a, b, step[3]);
      default: {
        const auto rows = ag::elementwise_rows();
        return operation(rows[step[3] % rows.size()], {a.expr, b.expr, values_[(step[2] + 1) % values_.size()].expr});
      }
    }
  }
  /// An axis, or 0 where there is none.
  static std::ptrdiff_t axis(std::size_t choice, std::size_t count) {
    return static_cast<std::ptrdiff_t>(choice % std::max<std::size_t>(count, 1));
  }

  /// Arithmetic, changes of shape and draws.
  Value arrays(std::size_t what, const Value& a, const Value& b, std::size_t choice) const {
    const auto& [x, x_bound] = a;
    const auto& [y, y_bound] = b;
    const double larger = std::max(x_bound, y_bound);
    const std::ptrdiff_t along = axis(choice, x.ndim()), other = axis(choice / 8, x.ndim());
    switch (what % 32) {
      case 0: return {x + y, x_bound + y_bound};
      case 1: return {x - y, x_bound + y_bound};
      case 2: return {x * y, x_bound * y_bound};
      case 3: return {x / (2.0 + sin(y)), x_bound};
      case 4: return {tanh(x), 1.0};
      case 5: return {sin(x), 1.0};
      case 6: return {sqrt(1.0 + square(x)), 1.0 + x_bound};
      case 7: return {log(1.0 + square(x)), x_bound};
      case 8: return {maximum(x, y), larger};
      case 9: return {where(halos_["x"] > 0.1, x, y), larger};
      case 10: return {where(xt::xarray<double>{1.0, 0.0, 1.0}, x, choice % 2 == 0 ? y : ag::constant(0.0)), larger};
      case 11: return {expand_dims(x, axis(choice, x.ndim() + 1)), x_bound};
      case 12: return {ag::stack({x, y}, axis(choice, x.ndim() + 1)), larger};
      case 13: return {ag::concatenate({x, y}, along), larger};
      case 14: return {x[-1], x_bound};
      case 15: return {diff(x, 1, along), 2.0 * x_bound};
      case 16: return {transpose(x), x_bound};
      case 17: return {flip(x), x_bound};
      case 18: return {broadcast_to(x, ag::broadcast(x.shape(), y.shape())), x_bound};
      case 19: return {swapaxes(x, along, other), x_bound};
      case 20: return {moveaxis(x, along, other), x_bound};
      case 21: return {roll(x, static_cast<std::ptrdiff_t>(choice % 5) - 2, along), x_bound};
      case 22: return {tile(x, 2, along), x_bound};
      case 23: return {repeat(x, 2, along), x_bound};
      case 24: return {pad(x, choice % 2, 1, along, 0.5), std::max(x_bound, 0.5)};
      case 25: return {view(x, ag::ellipsis(), ag::range(ag::Range::end, ag::Range::end, -1)), x_bound};
      case 26: return {squeeze(x, along), x_bound};
      case 27: return {reshape(x, {-1}), x_bound};
      case 28: return {x * ag::random::uniform(ag::random::fold_in(key_, choice), x.shape()), x_bound};
      case 29: return {x + ag::random::normal(ag::random::split(key_, 3)[choice % 3], y.shape()), x_bound + 5.0};
      case 30: return {ag::random::uniform(ag::random::fold_in(key_, choice), x.shape(), -1.0, 2.0 + sin(x)), 3.0};
      default: return {cube(sin(x)), 1.0};
    }
  }

  /// Reductions, scans, contractions and lookups.
  Value sums_and_lookups(std::size_t what, const Value& a, const Value& b, std::size_t choice) const {
    const auto& [x, x_bound] = a;
    const auto& [y, y_bound] = b;
    const std::ptrdiff_t along = axis(choice, x.ndim());
    const xt::xarray<double> grid = {-1.0, -0.4, 0.1, 0.5, 1.0}, heights = {0.3, -0.6, 1.0, 0.2, -0.9};
    const double many = 48.0 * x_bound;
    switch (what % 32) {
      case 0: return {sum(x, along), 9.0 * x_bound};
      case 1: return {mean(x, along), x_bound};
      case 2: return {mean(x), x_bound};
      case 3: return {logsumexp(x, along), x_bound + 5.0};
      case 4: return {softmax(x, along), 1.0};
      case 5: return {log_softmax(x, along), 2.0 * x_bound + 5.0};
      case 6: return {amax(x, along), x_bound};
      case 7: return {amin(x, along), x_bound};
      case 8: return {var(x, along), x_bound * x_bound};
      case 9: return {sqrt(1.0 + square(ag::stddev(x + halos_["w"], along))), 1.0 + x_bound};
      case 10: return {average(x, broadcast_to(1.0 + square(y), x.shape()), along), x_bound};
      case 11: return {ag::norm_l1(2.0 + sin(x), along), 144.0};
      case 12: return {ag::norm_l2(2.0 + sin(x), along), 21.0};
      case 13: return {prod(sin(x), along), 1.0};
      case 14: return {cumsum(x, along, choice % 2 == 1), many};
      case 15: return {cumprod(sin(x), along, choice % 2 == 1), 1.0};
      case 16: return {trapezoid(x, 0.5, along), many};
      case 17: return {cumulative_trapezoid(x, 0.5, along), many};
      case 18: return {simpson(x, 0.5, along), many};
      case 19: return {dot(x, y), many * y_bound};
      case 20: return {matmul(x, y), many * y_bound};
      case 21: return {tensordot(x, y, 1), many * y_bound};
      case 22: return {outer(x, y), x_bound * y_bound};
      case 23: return {ag::einsum("...i,...i->...", {x, y}), many * y_bound};
      case 24: {
        const double last =
            x.ndim() == 0 ? 0.0 : static_cast<double>(x.shape()[static_cast<std::size_t>(along)].length) - 1.0;
        return {ag::take(x, minimum(groups(), last), along), x_bound};
      }
      case 25: return {gather(x, halo_in(x)), x_bound};
      case 26: return {segment_sum(x, galaxies_["halo"], halos_.rows()), 5.0 * x_bound};
      case 27: return {segment_sum(x, groups(), 3), 9.0 * x_bound};
      case 28: return {ag::histogram(groups(), x, 3), 9.0 * x_bound};
      case 29: return {ag::soft_histogram(x, grid, 0.3, y), many * y_bound};
      case 30: return {ag::interp(sin(x), grid, heights), 1.0};
      default: return {ag::interp_cubic(sin(x), grid, heights), 4.0};
    }
  }

  /// Steps of columns, which have no gradient, linear algebra, and a function of the user's.
  Value steps_matrices_and_functions(std::size_t what, const Value& a, const Value& b, std::size_t choice) const {
    const auto& [x, x_bound] = a;
    const auto& [y, y_bound] = b;
    const Expr lanes = expand_dims(halos_["w"], 1) * xt::xarray<double>{1.0, -0.7, 0.4};  // [rows, 3]
    const auto size = [](const Expr& matrix) { return matrix.shape().at(matrix.ndim() - 2).length; };
    switch (what % 16) {
      case 0: return {x * ag::argmax(lanes), 2.0 * x_bound};
      case 1: return {x * ag::argmin(lanes), 2.0 * x_bound};
      case 2: return {x * ag::count_nonzero(lanes > 0.1, -1), 3.0 * x_bound};
      case 3: return {x * (choice % 2 == 0 ? ag::all(lanes > -0.3, -1) : ag::any(lanes > 0.3, -1)), x_bound};
      case 4: return {x * ag::searchsorted(xt::xarray<double>{-0.5, 0.0, 0.5}, halos_["w"]), 3.0 * x_bound};
      case 5: return {store(halos_["w"] * square(halos_["w"])) * x, x_bound};
      case 6: return {x + ag::stop_gradient(halos_["x"]), x_bound + 2.0};
      case 7: return {ag::custom("tanh", {x}, x.shape(), user_tanh()), 1.0};
      default: break;
    }
    if (x.ndim() < 2 || x.shape().back().is_rows() || x.shape()[x.ndim() - 2].is_rows() || x.shape().back() == 0) {
      throw ag::ExpressionError("no matrices");
    }
    const auto n = size(x);
    const Expr sine = sin(x), identity = ag::constant(xt::eye<double>(n));
    const Expr positive = matmul(sine, swapaxes(sine, -1, -2)) + 2.0 * identity;
    const double squares = 2.0 + static_cast<double>(x.shape().back().length);
    switch (what % 16) {
      case 8: return {ag::cholesky(positive), squares};
      case 9: return {ag::logdet(positive), 5.0 * squares};
      case 10: return {ag::inv(positive), 1.0};
      case 11: return {ag::solve(positive, sin(y)), 10.0};
      case 12: return {ag::solve_triangular(positive, sin(y)), 100.0};
      case 13:
        return {ag::eigvalsh(positive + 5.0 * ag::constant(xt::diag(xt::arange<double>(static_cast<double>(n))))),
                50.0};
      case 14: return {ag::multivariate_normal_logpdf(sin(y), 0.1, positive), 50.0};
      default: return {ag::einsum("...ii->...i", {positive}), squares};
    }
  }

  static ag::CustomFunction user_tanh() {
    return {.value = [](const auto& x) { return ag::Array(xt::tanh(x[0])); },
            .vjp = [](const auto&, const ag::Array& value,
                      const ag::Array& cotangent) { return std::vector<ag::Array>{cotangent * (1.0 - value * value)}; },
            .jvp = [](const auto&, const ag::Array& value,
                      const auto& tangents) { return ag::Array(tangents[0] * (1.0 - value * value)); }};
  }

  /// A row of operators.def, of operands that are brought into the middle of its domain.
  static Value operation(const ag::ElementwiseRow& row, std::vector<Expr> operands) {
    operands.resize(row.num_operands);
    std::array<double, 3> centers{}, widths{};
    for (std::size_t k = 0; k < row.num_operands; ++k) {
      const auto [low, high] = row.domain[k];
      centers[k] = 0.5 * (low + high);
      widths[k] = std::min(0.4 * (high - low), 1.0);
      operands[k] = row.has_derivative(k) ? centers[k] + widths[k] * sin(operands[k]) : ag::constant(centers[k]);
    }
    const bool asks_for_equality = row.kernel == ag::Kernel::equal || row.kernel == ag::Kernel::not_equal;
    // What is equal but for rounding has no finite differences.
    if (asks_for_equality) operands[1] = operands[1] + 0.123;
    if (row.kernel == ag::Kernel::power_below) operands[2] = pow(operands[0], operands[1]);  // what it is given
    double most = 0.0;  // at all combinations of the ends of what operands can be
    for (unsigned corner = 0; corner < 8; ++corner) {
      const auto end = [&](std::size_t k) { return centers[k] + ((corner >> k & 1U) != 0 ? widths[k] : -widths[k]); };
      most = std::max(most, std::abs(row.value(end(0), end(1), end(2))));
    }
    return {elementwise(row.kernel, std::move(operands), {}), 2.0 * (1.0 + most)};
  }

  /// What galaxies can look for in a value of halos, or of numbers.
  Expr halo_in(const Expr& x) const {
    if (ag::row_axis(x.shape()) && ag::rows_of(x.shape()) != halos_.rows().rows) {
      throw ag::ExpressionError("galaxies do not point to galaxies");
    }
    const bool has_numbers = x.ndim() > 0 && !x.shape()[0].is_rows();
    return has_numbers ? minimum(galaxies_["halo"], static_cast<double>(x.shape()[0].length) - 1.0) : galaxies_["halo"];
  }

  /// A number from 0 to 2 for each row.
  Expr groups() const { return (halos_["x"] > 0.1) + (halos_["w"] > 0.3); }

  Expr with(Flaw flaw) const {
    const Expr x = halos_["x"], c = params[0] * halos_["c"];
    if (flaw == Flaw::none) return x;
    return x + (flaw == Flaw::value ? 0.0 * log10(c) : 1e-3 * sqrt(c));
  }

  const Expr key_ = ag::random::key();
  ag::Table halos_, galaxies_;
  std::vector<Value> values_;
  std::size_t num_given_;
};

const ag::EvaluationOptions options = {.randkey = 7};
const std::vector<double> params_at = {0.31, -0.63, 1.13, 0.83, -0.41};

/// The graph of the steps, compiled.
ag::CompiledGraph build(const Steps& steps, const ag::Communicator& comm, Split split, ag::ExecutorKind executor,
                        Flaw flaw = Flaw::none) {
  GraphBuilder builder(comm, split, flaw);
  for (const Step& step : steps) builder.take(step);
  return compile(builder.loss(), builder.params, comm, {executor});
}

LossAndGradient run(ag::CompiledGraph& graph) {
  LossAndGradient result{0.0, std::vector<double>(num_params)};
  result.loss = graph.value_and_gradient(params_at, result.gradient, options);
  return result;
}

/// How the numbers differ, empty where they do not.
std::string difference(const std::string& what, const std::vector<double>& expected, const std::vector<double>& actual,
                       double tolerance) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (std::abs(actual[i] - expected[i]) <= tolerance * std::max(1.0, largest(expected))) continue;
    return fmt::format("{}: element {} is {}, expected {}\n", what, i, actual[i], expected[i]);
  }
  return "";
}

std::string difference(const std::string& what, const LossAndGradient& expected, const LossAndGradient& actual) {
  return difference(what + ", loss", {expected.loss}, {actual.loss}, 1e-11) +
         difference(what + ", gradient", expected.gradient, actual.gradient, 1e-10);
}

/// Compares all ways to evaluate a graph.
std::string differences(const Steps& steps) {
  const Split splits[] = {all_on_first, first_is_empty, uneven, one_and_eleven};
  const Split split = splits[steps.size() % 4];
  ag::CompiledGraph whole = build(steps, self(), split, ag::ExecutorKind::reference);
  const LossAndGradient expected = run(whole);
  const auto loss = [&](std::span<const double> params) { return whole.value(params, options); };
  std::string text;
  for (const double step : {1e-4, 1e-6}) {  // a comparison that changes within the first seldom does within the second
    text = difference("finite differences", numeric_gradient(loss, params_at, step), expected.gradient, 1e-7);
    if (text.empty()) break;
  }
  for (const ag::ExecutorKind executor : executors) {
    ag::CompiledGraph on_one = build(steps, self(), split, executor);
    ag::CompiledGraph on_all = build(steps, ag::Communicator::world(), split, executor);
    text += difference(to_string(executor) + ", one process", expected, run(on_one));
    text += difference(to_string(executor) + ", all ranks", expected, run(on_all));
  }
  for (const ag::GradientMode mode : {ag::GradientMode::reverse, ag::GradientMode::forward}) {
    GraphBuilder builder(ag::Communicator::world(), split);
    for (const Step& step : steps) builder.take(step);
    const LossAndGradient by_mode = evaluate_with_gradient(builder.loss(), builder.params, params_at,
                                                           builder.communicator(), ag::ExecutorKind::tiled, 7, mode);
    text += difference(mode == ag::GradientMode::reverse ? "reverse mode" : "forward mode", expected, by_mode);
  }
  if (text.empty()) return text;
  return text + "built:\n" + whole.text(ag::Stage::built) + "compiled:\n" + whole.text();
}

/// What is wrong about what is found in a graph with a flaw; empty where nothing is.
std::string misdiagnosis(const Steps& steps, Flaw flaw, ag::ExecutorKind executor) {
  ag::CompiledGraph graph =
      build(steps, ag::Communicator::world(), steps.size() % 3 == 0 ? uneven : first_is_empty, executor, flaw);
  const LossAndGradient got = run(graph);
  const bool finite = std::isfinite(got.loss) && std::isfinite(largest(got.gradient)) &&
                      std::ranges::none_of(got.gradient, [](double g) { return std::isnan(g); });
  const auto found = graph.find_nonfinite(params_at, options);
  const bool right = finite ? !found
                            : found && found->row == 4 && found->is_derivative == (flaw == Flaw::derivative) &&
                                  found->node == (flaw == Flaw::value ? "log10" : "sqrt");
  if (right) return "";
  return fmt::format("found: {}\nloss: {}\n{}", found ? found->text : "nothing", got.loss,
                     graph.text(ag::Stage::built));
}

/// True where the ranks all say so, so that they go on with the same graph.
bool on_all_ranks(bool good) {
  int result = good ? 1 : 0;
  MPI_Allreduce(MPI_IN_PLACE, &result, 1, MPI_INT, MPI_LAND, MPI_COMM_WORLD);
  return result == 1;
}

}  // namespace

TEST_CASE("random graphs give the same on both executors and any number of ranks") {
  setenv("RC_PARAMS", "seed=1 max_success=300 max_size=16", 0);  // every rank takes the same graphs
  const auto any_step = rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<Step>());
  CHECK(rc::check([&] {
    const auto steps = *rc::gen::container<Steps>(any_step);
    const std::string text = differences(steps);
    RC_LOG() << text;
    RC_ASSERT(on_all_ranks(text.empty()));
  }));
}

TEST_CASE("in random graphs, a row without a finite value or derivative is found") {
  setenv("RC_PARAMS", "seed=1 max_success=300 max_size=16", 0);
  const auto any_step = rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<Step>());
  CHECK(rc::check([&] {
    const auto steps = *rc::gen::container<Steps>(any_step);
    const Flaw flaw = *rc::gen::element(Flaw::value, Flaw::derivative);
    const std::string text = misdiagnosis(steps, flaw, executors[steps.size() % 2]);
    RC_LOG() << text;
    RC_ASSERT(on_all_ranks(text.empty()));
  }));
}

}  // namespace test_random_graphs
