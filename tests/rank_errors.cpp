// What goes wrong on one rank is raised on all, with the rank, the cause and the user's line; what ranks do differently
// is an error and no deadlock. All of them can go on after that.
#include <cmath>
#include <limits>
#include <stdexcept>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "graph/operator.hpp"
#include "lambda_model.hpp"
#include "world.hpp"

namespace test_rank_errors {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

/// 1, 2, 0 rows on the ranks in turn.
std::vector<double> rows() {
  std::vector<double> rows;
  for (int i = 0; i < (world().rank() + 1) % 3; ++i) rows.push_back(world().rank() + 0.5 + i);
  return rows;
}

const Expr& x() {
  static const Expr x = ag::Table("halos", {{"x", rows()}})["x"];
  return x;
}

/// The sum of x over the rows of all ranks.
double total_of_x() {
  double total = 0.0;
  for (int rank = 0; rank < world().size(); ++rank) {
    for (int i = 0; i < (rank + 1) % 3; ++i) total += rank + 0.5 + i;
  }
  return total;
}

const LambdaModel::CalcSumstats good_sumstats = [](const Expr& params) { return sum(params[0] * x()); };
const LambdaModel::CalcLoss good_loss = [](const ag::Sumstats& sumstats) { return square(sumstats.value); };

/// A loss is computed as if nothing had happened.
void check_works() {
  LambdaModel model(good_sumstats, good_loss);
  CHECK(model.calc_loss_from_params({2.0}) == Approx(std::pow(2.0 * total_of_x(), 2)));
  CHECK(model.calc_dloss_dparams({2.0})(0) == Approx(4.0 * std::pow(total_of_x(), 2)));
}

/// Checks that what `action` does ends as a RankError on every rank, which names the culprit and all the parts, and the
/// line that the action notes if it does.
template <class Action>
void check_rank_error(const std::vector<std::string>& parts, Action action,
                      ag::SourceLocation here = ag::SourceLocation::current()) {
  const Caught error = caught<ag::RankError>([&](unsigned& line) {
    try {
      action(line);
    } catch (const ag::RankError& rank_error) {
      CHECK(rank_error.rank() == culprit());
      throw;
    }
  });
  check_parts(error.text, parts);
  const std::string place =
      error.expected_line == 0 ? "" : ag::SourceLocation{here.file, error.expected_line}.str() + ": ";
  INFO("message: " << error.text);
  CHECK(error.text.starts_with(fmt::format("rank {} of {}: {}", culprit(), world().size(), place)));
  check_works();
}

/// The identity, which one rank cannot compute.
class FailsOnCulprit final : public ag::Operator {
 public:
  std::string_view name() const override { return "fails_on_culprit"; }
  void identify(ag::Fingerprint&) const override {}
  ag::Shape infer_shape(std::span<const Expr> operands) const override { return operands[0].shape(); }
  ag::Linearity linearity() const override { return ag::Linearity::none; }
  Expr adjoint(const Expr&, const Expr&, std::size_t) const override { return {}; }
  Expr tangent(const Expr&, std::span<const Expr>) const override { return {}; }
  ag::Array evaluate(const ag::Node&, std::span<const ag::Array* const> operands, ag::Evaluation&) const override {
    if (is_culprit()) throw std::runtime_error("no value here");
    return *operands[0];
  }
  ag::View lower(const ag::Node&, ag::Lowering& lowering) const override { return lowering.operand(0); }
};

/// Checks that what `action` does ends as a DivergenceError on every rank.
template <class Action>
void check_divergence(const std::vector<std::string>& parts, Action action,
                      ag::SourceLocation here = ag::SourceLocation::current()) {
  check_error<ag::DivergenceError>(parts, action, here);
  check_works();
}

void throw_on_culprit() {
  if (is_culprit()) throw std::runtime_error("no light cone here");
}

}  // namespace

TEST_CASE("a column loader throws on one rank") {
  check_rank_error({"no light cone here"}, [](unsigned&) {
    ag::Table("halos", [] {
      throw_on_culprit();
      return ag::Table::Columns{{"x", rows()}};
    });
  });
}

TEST_CASE("a rank's columns cannot be used") {
  check_rank_error({"column \"y\" has", "rows, but column \"x\" has"}, [](unsigned& line) {
    std::vector<double> more = rows();
    if (is_culprit()) more.push_back(1.0);
    line = __LINE__ + 1;
    ag::Table("halos", {{"x", rows()}, {"y", more}});
  });
  check_rank_error({"expected at least one column, got none"}, [](unsigned& line) {
    const auto columns = is_culprit() ? ag::Table::Columns{} : ag::Table::Columns{{"x", rows()}};
    line = __LINE__ + 1;
    ag::Table("halos", columns);
  });
}

TEST_CASE("NaN on one rank is reported with its row of all rows") {
  check_rank_error({"column \"x\" has NaN", fmt::format("first in row {}, ", 2 * culprit() + 1), "may_be_nan"},
                   [](unsigned& line) {
                     std::vector<double> two = {1.0, 2.0};
                     if (is_culprit()) two[1] = std::numeric_limits<double>::quiet_NaN();
                     line = __LINE__ + 1;
                     ag::Table("halos", {{"x", two}});
                   });
}

TEST_CASE("a file is missing on one rank") {
  check_rank_error({"expected a file 'no_such_file.h5'"}, [](unsigned& line) {
    line = __LINE__ + 2;
    const auto load = [] {
      if (is_culprit()) ag::read_attribute("no_such_file.h5", "volume");
      return ag::Table::Columns{{"x", rows()}};
    };
    ag::Table("halos", load);
  });
}

TEST_CASE("ranks make tables of other columns or names") {
  check_error<ag::DataError>({"table \"halos\": ranks make different tables",
                              fmt::format("rank {} makes \"halos\" with the columns [", world().rank()),
                              is_culprit() ? "[\"y\"]" : "[\"x\"]", "the same columns in the same order"},
                             [](unsigned& line) {
                               line = __LINE__ + 1;
                               ag::Table("halos", {{is_culprit() ? "y" : "x", rows()}});
                             });
  check_error<ag::DataError>({"ranks make different tables", is_culprit() ? "makes \"galaxies\"" : "makes \"halos\""},
                             [](unsigned& line) {
                               line = __LINE__ + 1;
                               ag::Table(is_culprit() ? "galaxies" : "halos", {{"x", rows()}});
                             });
  check_works();
}

TEST_CASE("a model's function throws on one rank while the graph is built") {
  const auto bad_sumstats = [](const Expr& params) {
    throw_on_culprit();
    return good_sumstats(params);
  };
  const auto bad_loss = [](const ag::Sumstats& sumstats) {
    throw_on_culprit();
    return good_loss(sumstats);
  };
  check_rank_error({"no light cone here"},
                   [&](unsigned&) { LambdaModel(bad_sumstats, good_loss).calc_sumstats_from_params({1.0}); });
  check_rank_error({"no light cone here"},
                   [&](unsigned&) { LambdaModel(bad_sumstats, good_loss).calc_dloss_dparams({1.0}); });
  check_rank_error({"no light cone here"}, [&](unsigned&) { LambdaModel(good_sumstats, bad_loss).run_bfgs({1.0}); });
}

TEST_CASE("an expression is wrong on one rank only") {
  check_rank_error({"add([2], [3]): "}, [](unsigned& line) {
    LambdaModel model(
        [&line](const Expr& params) {
          const xt::xarray<double> bins = xt::zeros<double>({is_culprit() ? 3U : 2U});
          line = __LINE__ + 1;
          return sum(params[0] * x()) * (ag::constant(xt::zeros<double>({2})) + bins);
        },
        [](const ag::Sumstats& sumstats) { return sum(sumstats.value); });
    model.calc_loss_from_params({1.0});
  });
  check_rank_error({"the loss has a value per row"}, [](unsigned& line) {
    const Expr params = ag::parameters(1);
    line = __LINE__ + 1;
    const Expr per_row = params[0] * x();
    ag::compile(is_culprit() ? per_row : sum(per_row), params);
  });
}

TEST_CASE("a model can be used after a rank failed to build its graph") {
  bool fails = true;
  LambdaModel model(
      [&](const Expr& params) {
        if (fails) throw_on_culprit();
        return good_sumstats(params);
      },
      good_loss);
  check_rank_error({"no light cone here"}, [&](unsigned&) { model.calc_loss_from_params({1.0}); });
  fails = false;
  CHECK(model.calc_sumstats_from_params({3.0})() == Approx(3.0 * total_of_x()));
}

TEST_CASE("a graph composed by hand inside guarded throws on one rank") {
  const Expr params = ag::parameters(1);
  check_rank_error({"no light cone here"}, [&](unsigned&) {
    const Expr loss = world().guarded([&] {
      throw_on_culprit();
      return square(good_sumstats(params));
    });
    ag::compile(loss, params);
  });
}

TEST_CASE("an optimizer's callback throws on one rank") {
  const auto check = [](auto optimizer, std::size_t failing_step) {
    optimizer.callback = [&](const ag::Iterate& iterate) {
      if (iterate.step == failing_step) throw_on_culprit();
    };
    LambdaModel model(good_sumstats, good_loss);
    const auto result = optimizer.minimize(model.compiled(1), {1.0});
    CHECK_FALSE(result.success);
    CHECK(result.message == fmt::format("the callback threw on rank {}: no light cone here", culprit()));
    CHECK((result.callback_error != nullptr) == is_culprit());
    CHECK(model.calc_loss_from_params({1.0}) == Approx(std::pow(total_of_x(), 2)));
  };
  check(ag::GradientDescent{.nsteps = 5, .learning_rate = 1e-3}, 0);
  check(ag::GradientDescent{.nsteps = 5, .learning_rate = 1e-3}, 4);
  check(ag::Adam{.nsteps = 5}, 4);
  check(ag::Lbfgsb{}, 0);
  check(ag::Lbfgsb{}, 1);
}

TEST_CASE("another number of parameters on one rank") {
  const std::vector<double> params(is_culprit() ? 2 : 1, 1.0);
  check_divergence(
      {"the same number of parameters on every rank", fmt::format("got {} on rank {}", params.size(), world().rank())},
      [&](unsigned& line) {
        LambdaModel model(good_sumstats, good_loss);
        line = __LINE__ + 1;
        model.calc_loss_from_params(params);
      });
  LambdaModel model(good_sumstats, good_loss);
  model.calc_loss_from_params({1.0});
  check_rank_error({"expected 1 parameters, as at the model's first use, got 2"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    model.calc_loss_from_params(params);
  });
  CHECK(model.calc_loss_from_params({1.0}) == Approx(std::pow(total_of_x(), 2)));
}

TEST_CASE("other parameters on one rank") {
  const double param = is_culprit() ? 1.5 : 1.0;
  check_divergence({"rank 0 is in calc_loss_from_params", "at the parameters [1], but", "at the parameters [1.5]",
                    fmt::format("rank {} in", culprit()), "these differ: parameters", "MPI_Bcast"},
                   [&](unsigned& line) {
                     LambdaModel model(good_sumstats, good_loss);
                     line = __LINE__ + 1;
                     model.calc_loss_from_params({param});
                   });
  check_divergence({"these differ: parameters"}, [&](unsigned& line) {  // a loss without messages
    line = __LINE__ + 1;
    const Expr params = ag::parameters(1);
    ag::compile(square(params[0] - mean(x())), params).value(std::vector{param});
  });
  check_divergence({"Adam: ", "the same guess of params[0] on every rank", "1.5"}, [&](unsigned& line) {
    LambdaModel model(good_sumstats, good_loss);
    line = __LINE__ + 1;
    model.run_adam({param});
  });
}

TEST_CASE("another random key, or executor, on one rank") {
  check_divergence({"rank 0 is in calc_loss_from_params", "these differ: random key"}, [&](unsigned& line) {
    LambdaModel model(good_sumstats, [](const ag::Sumstats& sumstats) {
      return square(sumstats.value) * ag::random::normal(ag::random::key(), {});
    });
    line = __LINE__ + 1;
    model.calc_loss_from_params({1.0}, is_culprit() ? 8 : 7);
  });
  const Expr params = ag::parameters(1);
  check_divergence({"the same CompileOptions::executor on every rank"}, [&](unsigned& line) {
    const auto executor = is_culprit() ? ag::ExecutorKind::reference : ag::ExecutorKind::tiled;
    line = __LINE__ + 1;
    ag::compile(good_sumstats(params), params, world(), {executor});
  });
}

TEST_CASE("other graphs on ranks, of as many nodes or of more") {
  const Expr params = ag::parameters(1);
  check_divergence({"the same graph on every rank", is_culprit() ? "exp of shape []" : "sinh of shape []",
                    fmt::format("on rank {}", world().rank())},
                   [&](unsigned& line) {
                     line = __LINE__ + 1;
                     const Expr loss = is_culprit() ? exp(params[0]) : sinh(params[0]);
                     ag::compile(loss, params);
                   });
  check_divergence({"the same graph on every rank", is_culprit() ? "square of shape []" : "sum axes=[0] of shape []"},
                   [&](unsigned& line) {
                     const unsigned first = __LINE__ + 1;
                     const Expr total = sum(params[0] * x());
                     const Expr loss = is_culprit() ? square(total) : total;
                     line = is_culprit() ? first + 1 : first;
                     ag::compile(loss, params);
                   });
}

TEST_CASE("the same graph, of which ranks want other results or place a constant otherwise") {
  check_divergence({"the same results on every rank", is_culprit() ? "q" : "p", "on rank"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    const Expr params = ag::parameters(1);
    ag::compile(ag::Loss(square(params[0]), {{is_culprit() ? "q" : "p", params[0]}}), params);
  });
  check_divergence({"the same graph on every rank", "constant"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    const Expr three = is_culprit() ? ag::rank_constant(3.0) : ag::constant(3.0);
    const Expr params = ag::parameters(1);
    ag::compile(sum(x() * three) * params[0], params);
  });
}

TEST_CASE("a graph that depends on how many rows a rank has") {
  check_divergence({"the same graph on every rank", "also where it has no rows"}, [&](unsigned& line) {
    const Expr params = ag::parameters(1);
    line = __LINE__ + 1;
    const Expr loss = world().rank() == 0 ? 0.0 * params[0] : sum(params[0] * x());
    ag::compile(loss, params);
  });
}

TEST_CASE("a constant is not the same on all ranks") {
  const xt::xarray<double> target = {1.0, is_culprit() ? 2.5 : 2.0};
  const std::vector<std::string> parts = {
      "the same constant on every rank", "of shape [2]",
      fmt::format("rank {} has [1, {}]", world().rank(), is_culprit() ? "2.5" : "2"), "MPI_Bcast", "rank_constant"};
  check_divergence(parts, [&](unsigned& line) {
    const auto calc_loss = [&](const ag::Sumstats& sumstats) {
      line = __LINE__ + 1;
      return sum(square(sumstats.value - target));
    };
    LambdaModel(good_sumstats, calc_loss).calc_loss_from_params({1.0});
  });
  check_divergence(parts, [&](unsigned& line) {
    const auto calc_sumstats = [&](const Expr& params) {
      line = __LINE__ + 1;
      return sum(expand_dims(params[0] * x(), 1) * target, 0);
    };
    LambdaModel(calc_sumstats, [](const ag::Sumstats& sumstats) { return sum(sumstats.value); }).run_bfgs({1.0});
  });
  const Expr params = ag::parameters(1);
  ag::CompiledGraph graph = ag::compile(sum(reduce_sum(ag::rank_constant(target))) * params[0], params);
  CHECK(graph.value(std::vector{2.0}) == Approx(2.0 * (3.0 * world().size() + 0.5)));
}

TEST_CASE("a rank's own constant has the same shape on all") {
  const xt::xarray<double> own = xt::ones<double>({is_culprit() ? 3U : 2U});
  check_divergence({"the same graph on every rank", is_culprit() ? "of shape [3]" : "of shape [2]"},
                   [&](unsigned& line) {
                     const Expr params = ag::parameters(1);
                     line = __LINE__ + 1;
                     const Expr value = ag::rank_constant(own);
                     ag::compile(sum(reduce_sum(value)) * params[0], params);
                   });
}

TEST_CASE("ranks evaluate other graphs") {
  const unsigned line_of_parameters = __LINE__ + 1;
  const Expr params = ag::parameters(1);
  ag::CompiledGraph first = ag::compile(good_sumstats(params), params);
  ag::CompiledGraph second = ag::compile(square(good_sumstats(params)), params);
  for (ag::CompiledGraph* graph : {&first, &second}) graph->value(std::vector{2.0});  // compiles
  check_divergence({"rank 0 is in CompiledGraph::value", "at the parameters [2]", "these differ: model"},
                   [&](unsigned& line) {
                     line = line_of_parameters;
                     (is_culprit() ? first : second).value(std::vector{2.0});
                   });
}

TEST_CASE("an operator throws on one rank behind the last message of an evaluation") {
  const Expr params = ag::parameters(1);
  const Expr total = good_sumstats(params);
  const Expr loss = ag::make_node(std::make_shared<const FailsOnCulprit>(), {square(total)}, {});
  ag::CompiledGraph graph = ag::compile(loss, params, world(), {ag::ExecutorKind::reference});
  const double at[] = {2.0};
  check_rank_error({"no value here"}, [&](unsigned&) { graph.value(at); });
  check_rank_error({"no value here"}, [&](unsigned&) { graph.value(at); });
}

}  // namespace test_rank_errors
