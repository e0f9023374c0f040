// How rows are spread over ranks decides where work is done, never the result: losses that need totals in many places,
// their gradients, and how many messages they take.
#include <cmath>
#include <functional>

#include "catch.hpp"
#include "compile/program.hpp"
#include "evaluation.hpp"
#include "examples/models/hod.hpp"
#include "examples/models/smf.hpp"
#include "examples/models/twostage.hpp"
#include "graph/operator.hpp"

namespace test_placement {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

const std::vector<double> params_at = {0.4, 1.3, -0.7, 0.9};
constexpr Split splits[] = {all_on_first, first_is_empty, uneven, one_and_eleven};

/// What a loss is written with: on the ranks of the world with rows dealt out by `split`, or in one process that holds
/// all of these rows.
class Inputs {
 public:
  static Inputs on_ranks(Split split) { return Inputs(ag::Communicator::world(), split, false); }
  static Inputs in_one_process(Split split) { return Inputs(self(), split, true); }

  ag::Table halos, galaxies;
  Expr params = ag::parameters(params_at.size());
  Expr p0 = params[0], p1 = params[1], p2 = params[2], p3 = params[3];
  Expr x = halos["x"], weight = halos["weight"], mass = galaxies["mass"];

  const ag::Communicator& communicator() const { return halos.communicator(); }

  /// A number that each rank has of its own, for its rows.
  Expr number_of_rank() const { return one_process_ ? halos["number_of_rank"] : own_numbers()[0]; }

  /// Sum over all ranks of a function of the numbers [2] that each has of its own.
  Expr sum_over_ranks(const std::function<Expr(const Expr&)>& f) const {
    if (!one_process_) return reduce_sum(f(own_numbers()));
    Expr sum = f(ag::constant(numbers_of(0)));
    for (int rank = 1; rank < ag::Communicator::world().size(); ++rank) sum += f(ag::constant(numbers_of(rank)));
    return sum;
  }

 private:
  Inputs(const ag::Communicator& comm, Split split, bool one_process)
      : halos(deal("halos", halo_columns(split), split, comm)),
        galaxies(deal("galaxies", {{"mass", noise_column(17, 3, 0.1, 2.0)}},
                      split == all_on_first ? first_is_empty : all_on_first, comm)),  // elsewhere than the halos
        one_process_(one_process) {}

  static ag::Array numbers_of(int rank) { return {0.3 + 0.5 * rank, 1.0 / (1.0 + rank)}; }
  Expr own_numbers() const { return ag::rank_constant(numbers_of(communicator().rank())); }

  static WholeColumns halo_columns(Split split) {
    constexpr std::size_t num_rows = 23;
    std::vector<double> numbers(num_rows);
    const int size = ag::Communicator::world().size();
    for (int rank = 0; rank < size; ++rank) {
      const auto [first, last] = split(num_rows, rank, size);
      for (std::size_t row = first; row < last; ++row) numbers[row] = numbers_of(rank)(0);
    }
    return {
        {"x", noise_column(num_rows, 1)}, {"weight", noise_column(num_rows, 2, 0.5, 2.0)}, {"number_of_rank", numbers}};
  }

  bool one_process_;
};

using Loss = std::function<Expr(const Inputs&)>;

LossAndGradient run(const Loss& loss, const Inputs& in, ag::ExecutorKind executor) {
  return evaluate_with_gradient(loss(in), in.params, params_at, in.communicator(), executor);
}

void check_equal(const LossAndGradient& expected, const LossAndGradient& actual) {
  check_close({&expected.loss, 1}, {&actual.loss, 1}, 1e-12);
  check_close(expected.gradient, actual.gradient, 1e-12);
}

/// Checks that loss and gradient are those of one process that holds all rows, and the gradient that of the loss.
void check(const Loss& loss) {
  for (const Split split : splits) {
    const Inputs whole = Inputs::in_one_process(split), dealt = Inputs::on_ranks(split);
    const LossAndGradient expected = run(loss, whole, ag::ExecutorKind::reference);
    REQUIRE(std::isfinite(expected.loss));
    check_equal(expected, run(loss, whole, ag::ExecutorKind::tiled));
    for (const ag::ExecutorKind executor : executors) {
      INFO(to_string(executor));
      check_equal(expected, run(loss, dealt, executor));
    }
    const Expr value = loss(whole);
    const auto at = [&](std::span<const double> params) {
      return evaluate(value, whole.params, params, self(), ag::ExecutorKind::reference)[0];
    };
    check_close(numeric_gradient(at, params_at), expected.gradient, 1e-9);
  }
}

}  // namespace

TEST_CASE("a statistic that mixes totals and sums") {
  check([](const Inputs& in) {
    const Expr count = sum(exp(in.p0 * in.x)), mass = sum(in.weight * sinh(in.p1 * in.x));
    const Expr statistics = ag::stack({count, mass / count, mean(in.p2 * in.x), count - 2.0 * mass, count + in.p3});
    return sum(square(statistics - 0.5));
  });
}

TEST_CASE("sums inside of sums over rows") {
  check([](const Inputs& in) {
    const Expr y = sinh(in.p0 * in.x) + in.p1;
    const Expr z = (y - mean(y)) / sqrt(mean(square(y - mean(y))));
    return log(sum(in.weight * sigmoid(in.p2 * z))) + square(mean(in.p3 * z * z * z));
  });
}

TEST_CASE("a prior on the parameters") {
  check([](const Inputs& in) { return square(log(sum(exp(in.p0 * in.x)))) + sum(square((in.params - 0.3) / 2.0)); });
  check([](const Inputs& in) { return sum(in.weight * exp(in.p0 * in.x)) + sum(square(in.params)); });
}

TEST_CASE("a penalty per row in the loss") {
  check([](const Inputs& in) {
    return square(log(sum(exp(in.p0 * in.x)))) + mean(square(in.x - in.p1 * in.weight)) + 0.1 * sum(abs(in.p2 - in.x));
  });
}

TEST_CASE("a small number beside a sum, under a logarithm") {
  check([](const Inputs& in) {
    const Expr counts = sum(sigmoid((expand_dims(in.x, 1) - xt::linspace(-1.0, 1.0, 4)) / in.p1), 0);
    return mean(square(log10(counts + 1e-10) - in.p0));
  });
}

TEST_CASE("a loss that is a sum, or linear in sums") {
  check([](const Inputs& in) { return sum(in.weight * exp(in.p0 * in.x)); });
  check([](const Inputs& in) { return in.p1 * sum(exp(in.p0 * in.x)) - mean(in.weight * square(in.p2)) / 3.0; });
}

TEST_CASE("the mean of a column") {
  check([](const Inputs& in) { return square(mean(in.x) - in.p0) + mean(in.weight) * in.p1; });
}

TEST_CASE("products and ratios of sums, and a sum over a parameter") {
  const auto first = [](const Inputs& in) { return sum(exp(in.p0 * in.x)); };
  const auto second = [](const Inputs& in) { return sum(in.weight * exp(in.p1 * in.x)); };
  check([=](const Inputs& in) { return first(in) * second(in) / 100.0; });
  check([=](const Inputs& in) { return square(first(in)); });
  check([=](const Inputs& in) { return first(in) / second(in); });
  check([=](const Inputs& in) { return first(in) / in.p3; });
  check([=](const Inputs& in) { return log(first(in) / in.p3) / in.p1; });
  check([=](const Inputs& in) { return 1.0 / first(in); });
  check([=](const Inputs& in) { return maximum(first(in), second(in)) + abs(first(in) - second(in)); });
}

TEST_CASE("a share in where()") {
  const xt::xarray<double> mask = {1.0, 0.0, 1.0};
  const auto sums = [](const Inputs& in) {
    return sum(exp(expand_dims(in.x, 1) * view(in.params, ag::range(0, 3))), 0);  // [3]
  };
  check([=](const Inputs& in) { return sum(square(where(mask, sums(in), 0.0))); });
  check([=](const Inputs& in) { return sum(square(where(mask, sums(in), 2.0 * sums(in)))); });
  check([=](const Inputs& in) { return sum(where(mask, sums(in), in.p3)); });
  check([=](const Inputs& in) { return sum(where(sums(in) > 20.0, in.p3, in.p2)); });
  check([=](const Inputs& in) { return log(sum(where(in.p0 > 0.0, sums(in), 0.5 * sums(in)))); });
}

TEST_CASE("constants that are equal on one rank, as sums over no rows are, and differ on another") {
  check([](const Inputs& in) {
    return sum(square(ag::stack({sum(in.x * in.p0) + sum(in.weight), sum(in.x * in.p1) + sum(in.x)})));
  });
  check([](const Inputs& in) {
    const Expr count = sum(exp(in.p0 * in.x));
    return log(count + sum(in.weight)) * log(count + sum(square(in.x)));
  });
  const auto world = ag::Communicator::world();
  const Expr params = ag::parameters(1);
  const Expr a = ag::rank_constant(ag::Array(1.0 + world.rank())),
             b = ag::rank_constant(ag::Array(1.0 + 2.0 * world.rank()));
  const Expr loss = square(params[0] - log(reduce_sum(a)) - log(reduce_sum(b)));
  const double size = world.size(), pairs = size * (size - 1.0);
  const double expected = std::pow(0.5 - std::log(size + 0.5 * pairs) - std::log(size + pairs), 2);
  for (const ag::ExecutorKind executor : executors) {
    CHECK(evaluate(loss, params, std::vector{0.5}, world, executor)[0] == Approx(expected));
  }
}

TEST_CASE("rows of two tables") {
  check([](const Inputs& in) {
    return square(sum(exp(in.p0 * in.x)) - sum(in.p1 * square(in.mass))) + mean(log(in.p3 * in.mass));
  });
  check([](const Inputs& in) { return log(sum(exp(in.p0 * in.x * mean(in.p1 * in.mass)))); });
}

TEST_CASE("values that each rank has of its own") {
  check([](const Inputs& in) { return log(in.sum_over_ranks([&](const Expr& own) { return exp(in.p0 * own[0]); })); });
  check([](const Inputs& in) {
    return sum(square(in.sum_over_ranks([&](const Expr& own) { return sinh(in.p0 * own) + in.p1; })));
  });
  check([](const Inputs& in) { return log(sum(exp(in.p0 * in.x * in.number_of_rank()))); });
  check([](const Inputs& in) {
    const Expr total = sum(exp(in.p0 * in.x));
    return in.sum_over_ranks([&](const Expr& own) { return log(total + square(in.p1 * own[1])); });
  });
  check([](const Inputs& in) {
    const Expr total = in.sum_over_ranks([&](const Expr& own) { return in.p0 * own[0] * own[1]; });
    return log(sum(exp(total * in.x)) + total);
  });
}

TEST_CASE("a loss of no rows, of no parameters, and of some") {
  check([](const Inputs& in) { return sum(square(in.params - 0.2)); });
  check([](const Inputs& in) { return sum(in.x) + mean(in.mass); });
  check([](const Inputs& in) { return square(mean(in.p2 * in.x)); });
  check([](const Inputs&) { return ag::constant(ag::Array(2.5)); });
}

namespace {

/// A statistic that needs another one's total, a prior by Sumstats::params, and a penalty per row.
class PriorModel final : public ag::OnePointModel {
 public:
  PriorModel(const Inputs& in, ag::CompileOptions options)
      : OnePointModel(in.communicator(), options), halos_(in.halos) {}

  ag::Sumstats calc_partial_sumstats_from_params(const Expr& params) const override {
    return statistics(halos_["x"], params);
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& sumstats) const override {
    return loss(halos_["x"], sumstats.params, sumstats.value);
  }

  static Expr statistics(const Expr& x, const Expr& params) {
    const Expr y = exp(params[0] * x);
    return ag::stack({sum(y), sum(sigmoid(y - params[1] * mean(y)))});
  }

  static Expr loss(const Expr& x, const Expr& params, const Expr& statistics) {
    return sum(square(log(statistics))) + sum(square(params - 0.3)) + mean(square(x - params[2]));
  }

 private:
  ag::Table halos_;
};

}  // namespace

TEST_CASE("a model's prior by Sumstats::params is the one that is composed by hand") {
  for (const Split split : splits) {
    const Inputs whole = Inputs::in_one_process(split), dealt = Inputs::on_ranks(split);
    const Expr by_hand = PriorModel::loss(whole.x, whole.params, PriorModel::statistics(whole.x, whole.params));
    const auto expected = evaluate_with_gradient(by_hand, whole.params, params_at, self(), ag::ExecutorKind::reference);
    for (const ag::ExecutorKind executor : executors) {
      INFO(to_string(executor));
      PriorModel model(dealt, {executor});
      const auto [loss, gradient] = model.calc_loss_and_grad_from_params(params_at);
      check_equal(expected, {loss, {gradient.begin(), gradient.end()}});
    }
  }
}

namespace {

/// Messages of one evaluation, and of one with its gradient.
using Counts = std::vector<std::size_t>;

Counts messages(ag::CompiledGraph& graph, const std::vector<double>& params) {
  const ag::Communicator& comm = graph.communicator();
  std::vector<double> gradient(params.size());
  graph.value(params);  // is compiled where it is asked for
  const std::size_t before = comm.collectives();
  graph.value(params);
  const std::size_t between = comm.collectives();
  graph.value_and_gradient(params, gradient);
  return {between - before, comm.collectives() - between};
}

template <class Model>
Counts messages_of_model(const std::string& name) {
  const Json entry = read_json("models.json").at(name);
  Model model(make_table(entry, uneven, ag::Communicator::world()), {});
  const auto params = entry.at("params").get<std::vector<double>>();
  return messages(model.compiled(params.size()), params);
}

}  // namespace

TEST_CASE("an evaluation takes one message per level of reductions, with few parameters its gradient no more") {
  if (ag::Communicator::world().size() == 1) return;  // where messages cost nothing, either mode may be the faster one
  CHECK(messages_of_model<models::Smf>("smf") == Counts{1, 1});
  CHECK(messages_of_model<models::Hod>("hod") == Counts{1, 1});
  CHECK(messages_of_model<models::TwoStage>("twostage") == Counts{3, 3});
  const auto messages_of = [](const Loss& loss) {
    const Inputs in = Inputs::on_ranks(uneven);
    ag::CompiledGraph graph = compile(loss(in), in.params, in.communicator());
    return messages(graph, params_at);
  };
  const auto statistic = [](const Inputs& in) { return log(sum(exp(in.p0 * in.x) * in.p3)); };
  CHECK(messages_of([&](const Inputs& in) { return statistic(in) + mean(square(in.p1 - in.p2 * in.x)); }) ==
        Counts{1, 1});
  CHECK(messages_of([&](const Inputs& in) { return statistic(in) * log(sum(in.p1 / in.mass)) + sum(in.params); }) ==
        Counts{1, 1});
  CHECK(messages_of([](const Inputs& in) { return sum(in.p0 * in.p1 * in.x + in.p2 * in.p3); }) == Counts{1, 1});
  CHECK(messages_of([](const Inputs& in) { return sum(square(in.params)); }) == Counts{1, 1});
}

TEST_CASE("in reverse mode, a gradient through nested reductions takes as many messages back as forward") {
  const auto messages_in = [](ag::GradientMode mode) {
    const Inputs in = Inputs::on_ranks(uneven);
    const ag::Communicator& comm = in.communicator();
    const Expr y = exp(in.p0 * in.x), loss = log(sum(sigmoid(y - in.p1 * mean(y))));
    ag::Program program({comm.next_number(), "loss, gradient"}, {{"loss", loss}}, in.params, comm, {},
                        ag::DerivativesOf{loss, {}, mode});
    const std::size_t before = comm.collectives();
    program.run(params_at);
    return comm.collectives() - before;
  };
  CHECK(messages_in(ag::GradientMode::forward) == 2);
  CHECK(messages_in(ag::GradientMode::reverse) == 4);
}

namespace {

/// The product of a matrix per row [rows, n] and a vector [n], summed over rows: linear in each operand, with a
/// placement rule of its own.
class RowContraction final : public ag::Operator {
 public:
  std::string_view name() const override { return "row_contraction"; }
  void identify(ag::Fingerprint&) const override {}
  ag::Shape infer_shape(std::span<const Expr>) const override { return {}; }
  ag::Linearity linearity() const override { return ag::Linearity::each; }
  ag::Placement infer_placement(std::span<const Expr>, const ag::Shape&) const override {
    return ag::Placement::partial;
  }
  Expr adjoint(const Expr&, const Expr&, std::size_t) const override { return {}; }
  ag::Array evaluate(const ag::Node&, std::span<const ag::Array* const> operands, ag::Evaluation&) const override {
    if (operands[0]->size() == 0) return ag::Array(0.0);
    return xt::sum(*operands[0] * *operands[1]);
  }
  ag::View lower(const ag::Node&, ag::Lowering&) const override { return {}; }
};

}  // namespace

TEST_CASE("no share passes where another operand is per row") {
  for (const Split split : splits) {
    const auto value_of = [](const Inputs& in) {
      const Expr totals = sum(ag::expand_dims(in.weight * in.p0, 1) * xt::xarray<double>{1.0, -2.0}, 0);
      const Expr rows = ag::expand_dims(in.x, 1) * xt::xarray<double>{0.5, 3.0};
      const Expr value = ag::make_node(std::make_shared<const RowContraction>(), {rows, totals}, {});
      return evaluate(value, in.params, params_at, in.communicator(), ag::ExecutorKind::reference);
    };
    check_close(value_of(Inputs::in_one_process(split)), value_of(Inputs::on_ranks(split)), 1e-12);
  }
}

}  // namespace test_placement
