// Models and graphs that cannot be compiled or run as they are: what is refused, where, and what is only warned of.
#include <array>
#include <filesystem>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "lambda_model.hpp"
#include "world.hpp"

namespace test_model_errors {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;
using ag::ExpressionError;

namespace {

/// 1, 2, 0 rows on the ranks in turn.
ag::Table make_table(const ag::Communicator& comm = world()) {
  std::vector<double> rows;
  for (int i = 0; i < (comm.rank() + 1) % 3; ++i) rows.push_back(comm.rank() + 0.5 + i);
  return ag::Table("halos", {{"x", rows}}, comm);
}

/// The sum of x over all rows of make_table().
double total_of_x() {
  double total = 0.0;
  for (int rank = 0; rank < world().size(); ++rank) {
    for (int i = 0; i < (rank + 1) % 3; ++i) total += rank + 0.5 + i;
  }
  return total;
}

const Expr& x() {
  static const Expr x = make_table()["x"];
  return x;
}

Expr own(std::initializer_list<double> numbers) { return ag::rank_constant(xt::xarray<double>(numbers)); }

const LambdaModel::CalcSumstats good_sumstats = [](const Expr& params) { return sum(params[0] * x() + params[1]); };
const LambdaModel::CalcLoss good_loss = [](const ag::Sumstats& sumstats) { return square(sumstats.value); };

/// Checks that a refused statistic is refused, wherever the model is entered.
void check_statistic(const std::vector<std::string>& parts, const std::function<Expr(const Expr&, unsigned&)>& write) {
  check_error<ExpressionError>(parts, [&](unsigned& line) {
    LambdaModel([&](const Expr& params) { return write(params, line); }, good_loss)
        .calc_sumstats_from_params({1.0, 2.0});
  });
  check_error<ExpressionError>(parts, [&](unsigned& line) {
    LambdaModel([&](const Expr& params) { return write(params, line); }, good_loss).run_bfgs({1.0, 2.0});
  });
}

/// The same for a loss, in a model and in a graph composed by hand.
void check_loss(const std::vector<std::string>& parts, const std::function<Expr(const Expr&, unsigned&)>& write) {
  check_error<ExpressionError>(parts, [&](unsigned& line) {
    LambdaModel(good_sumstats, [&](const ag::Sumstats& sumstats) {
      return write(sumstats.value, line);
    }).calc_loss_from_params({1.0, 2.0});
  });
  check_error<ExpressionError>(parts, [&](unsigned& line) {
    const Expr params = ag::parameters(2);
    ag::compile(write(good_sumstats(params), line), params);
  });
}

}  // namespace

TEST_CASE("a statistic per row") {
  check_statistic(
      {"calc_partial_sumstats_from_params: the result has a value per row, shape [rows]", "sum or mean", "sum(x, 0)"},
      [](const Expr& params, unsigned& line) {
        line = __LINE__ + 1;
        return params[0] * x() + params[1];
      });
}

TEST_CASE("a statistic per rank") {
  check_statistic({"calc_partial_sumstats_from_params: the result is a value that each rank has of its own, shape [2]",
                   "reduce_sum(x)"},
                  [](const Expr& params, unsigned& line) {
                    line = __LINE__ + 1;
                    return params * own({world().rank() + 1.0, 2.0});
                  });
}

TEST_CASE("a loss per row") {
  check_loss({"the loss has a value per row, shape [rows]", "sum or mean"}, [](const Expr& sumstats, unsigned& line) {
    line = __LINE__ + 1;
    return sumstats - x();
  });
}

TEST_CASE("a loss per rank") {
  check_loss({"the loss is a value that each rank has of its own, shape []", "reduce_sum(x)"},
             [](const Expr& sumstats, unsigned& line) {
               line = __LINE__ + 1;
               return sumstats * own({world().rank() + 1.0})[0];
             });
}

TEST_CASE("a loss that is no number") {
  check_loss({"the loss has shape [1]; expected one number, shape []", "sum(x) or mean(x)"},
             [](const Expr& sumstats, unsigned& line) {
               line = __LINE__ + 1;
               return expand_dims(sumstats, 0);
             });
}

TEST_CASE("a statistic or a loss that nobody computed") {
  check_error<ExpressionError>({"calc_partial_sumstats_from_params: the result is an empty Expr"}, [](unsigned& line) {
    LambdaModel model([](const Expr&) { return Expr(); }, good_loss);
    line = __LINE__ + 1;
    model.calc_loss_from_params({1.0, 2.0});
  });
  check_error<ExpressionError>({"the loss is an empty Expr"}, [](unsigned& line) {
    LambdaModel model(good_sumstats, [](const ag::Sumstats&) { return Expr(); });
    line = __LINE__ + 1;
    model.run_adam({1.0, 2.0});
  });
  check_error<ExpressionError>({"the loss is an empty Expr"}, [](unsigned& line) {
    const Expr params = ag::parameters(2);
    line = __LINE__ + 1;
    ag::compile(Expr(), params);
  });
}

TEST_CASE("too few parameters are noticed where the model asks for more; it can be used with enough after that") {
  unsigned line_of_index = 0;
  LambdaModel model(
      [&](const Expr& params) {
        line_of_index = __LINE__ + 1;
        const Expr offset = params[1];
        return sum(params[0] * x()) + offset;
      },
      good_loss);
  check_error<ExpressionError>({"parameters [1]: ", "index 1 is out of bounds", "valid are -1 to 0"},
                               [&](unsigned& line) {
                                 try {
                                   model.calc_loss_from_params({1.0});
                                 } catch (...) {
                                   line = line_of_index;
                                   throw;
                                 }
                               });
  CHECK(model.calc_sumstats_from_params({2.0, 1.0})() == Approx(2.0 * total_of_x() + 1.0));
}

TEST_CASE("parameters that nothing depends on are warned of, once, on the root") {
  std::vector<std::string> warnings;
  const ag::Sink before = ag::set_sink([&](ag::Severity severity, std::string_view text) {
    CHECK(severity == ag::Severity::warning);
    warnings.emplace_back(text);
  });
  LambdaModel model(good_sumstats, good_loss);
  const unsigned line = __LINE__ + 1;
  const auto gradient = model.calc_dloss_dparams({1.0, 2.0, 3.0, 4.0});
  model.calc_loss_from_params({1.0, 2.0, 3.0, 5.0});
  ag::set_sink(before);

  CHECK(gradient(2) == 0.0);
  CHECK(gradient(3) == 0.0);
  REQUIRE(warnings.size() == (world().is_root() ? 1 : 0));
  if (!world().is_root()) return;
  check_parts(warnings[0], {fmt::format("model_errors.cpp:{}: ", line), "of 4 parameters", "[2, 3] are not used"});
}

TEST_CASE("another number of parameters than at the first use") {
  LambdaModel model(good_sumstats, good_loss);
  model.calc_loss_from_params({1.0, 2.0});
  const std::array three = {1.0, 2.0, 3.0};
  const auto check = [](const std::function<void(unsigned&)>& use) {
    check_error<ag::ArgumentError>({"expected 2 parameters, as at the model's first use, got 3", "make another"}, use);
  };
  check([&](unsigned& line) {
    line = __LINE__ + 1;
    model.calc_loss_from_params(three);
  });
  check([&](unsigned& line) {
    line = __LINE__ + 1;
    model.calc_sumstats_from_params(three);
  });
  check([&](unsigned& line) {
    line = __LINE__ + 1;
    model.calc_dloss_dparams(three);
  });
  check([&](unsigned& line) {
    line = __LINE__ + 1;
    model.calc_loss_and_grad_from_params(three);
  });
  check([&](unsigned& line) {
    line = __LINE__ + 1;
    model.compiled(3).write_dot("no_such_folder/graph.dot");
  });
  check([&](unsigned& line) {
    line = __LINE__ + 1;
    model.run_simple_grad_descent(three);
  });
  check([&](unsigned& line) {
    line = __LINE__ + 1;
    model.run_adam(three);
  });
  check([&](unsigned& line) {
    line = __LINE__ + 1;
    model.run_bfgs(three);
  });
  CHECK(model.calc_sumstats_from_params({1.0, 0.0})() == Approx(total_of_x()));
}

TEST_CASE("a compiled graph takes as many parameters as it was compiled for") {
  const unsigned line_of_parameters = __LINE__ + 1;
  const Expr params = ag::parameters(2);
  ag::CompiledGraph graph = ag::compile(good_sumstats(params), params);
  std::vector<double> gradient(2), three(3);
  check_error<ag::ArgumentError>({"expected 2 parameters", "got 1"}, [&](unsigned& line) {
    line = line_of_parameters;
    graph.value(std::vector{1.0});
  });
  check_error<ag::ArgumentError>({"expected 2 parameters", "got 3"}, [&](unsigned& line) {
    line = line_of_parameters;
    graph.value_and_gradient(three, gradient);
  });
  check_error<ag::ArgumentError>({"room for a gradient of 2 numbers, one for each parameter, got 3"},
                                 [&](unsigned& line) {
                                   line = line_of_parameters;
                                   graph.value_and_gradient(gradient, three);
                                 });
  CHECK(graph.value(std::vector{1.0, 0.0}) == Approx(total_of_x()));
}

TEST_CASE("other parameters than the graph's") {
  const Expr params = ag::parameters(2);
  check_error<ExpressionError>({"other parameters than those it is compiled for", "made at model_errors.cpp:"},
                               [&](unsigned& line) {
                                 line = __LINE__ + 1;
                                 const Expr others = ag::parameters(2);
                                 ag::compile(sum(params) * others[0], params);
                               });
  check_error<ExpressionError>({"no parameter vector", "what parameters(n) returned"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::compile(sum(params), params[0]);
  });
  check_error<ExpressionError>({"no parameter vector"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::compile(sum(params), Expr());
  });
}

TEST_CASE("a table on another communicator") {
  const ag::Communicator duplicate(MPI_COMM_WORLD);
  const ag::Table elsewhere = make_table(duplicate);
  const std::vector<std::string> parts = {"column halos.x is of a table on another communicator",
                                          "table and model with the same Communicator"};
  check_error<ExpressionError>(parts, [&](unsigned& line) {
    const auto calc_sumstats = [&](const Expr& params) {
      line = __LINE__ + 1;
      return sum(params[0] * elsewhere["x"]);
    };
    LambdaModel(calc_sumstats, good_loss).calc_loss_from_params({1.0});
  });
  check_error<ExpressionError>({"row_number halos is of a table on another communicator"}, [&](unsigned& line) {
    const Expr params = ag::parameters(1);
    line = __LINE__ + 1;
    const Expr noise = ag::random::normal(ag::Key(1), {elsewhere.rows()});
    ag::compile(sum(params[0] * noise), params);
  });
  LambdaModel there([&](const Expr& params) { return sum(params[0] * elsewhere["x"]); }, good_loss, duplicate);
  CHECK(there.calc_sumstats_from_params({1.0})() == Approx(total_of_x()));
}

TEST_CASE("a graph is written to a folder that does not exist") {
  const Expr params = ag::parameters(2);
  const ag::CompiledGraph graph = ag::compile(good_sumstats(params), params);
  const std::vector<std::string> parts = {"the graph cannot be written to 'no_such_folder/graph.dot'",
                                          "check that its folder exists"};
  if (world().size() == 1) {
    check_error<ag::Error>(parts, [&](unsigned& line) {
      line = __LINE__ + 1;
      graph.write_dot("no_such_folder/graph.dot");
    });
  } else {
    unsigned line_of_call = 0;
    const Caught error = caught<ag::RankError>([&](unsigned&) {
      line_of_call = __LINE__ + 1;
      graph.write_dot("no_such_folder/graph.dot");
    });
    check_parts(error.text, parts);
    check_parts(error.text, {fmt::format("rank 0 of {}: model_errors.cpp:{}: ", world().size(), line_of_call)});
  }
  CHECK_FALSE(std::filesystem::exists("no_such_folder"));
}

}  // namespace test_model_errors
