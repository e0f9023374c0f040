// Every pair of operations in which ranks may meet: rank 0 and those between do one, the last rank does another. Each
// pair ends as an error on every rank that names both operations and their lines, and leaves the communicator usable.
#include <fmt/format.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../check_error.hpp"
#include "../lambda_model.hpp"
#include "../said.hpp"
#include "../world.hpp"
#include "allgrad/allgrad.hpp"

namespace test_matrix {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

ag::Table rows() {
  std::vector<double> x;
  for (int i = 0; i < world().rank(); ++i) x.push_back(world().rank() + 0.5 * i);
  return {"halos", {{"x", x}}};
}

/// What the operations are done on. After ranks did different things to it, they can do others.
struct Scene {
  static LambdaModel model(const Expr& x, double target) {
    return {[x](const Expr& p) { return sum(p[0] * x, 0) + p[1] * sum(x, 0); },
            [target](const ag::Sumstats& s) { return square(s.value - target) + 1.0; }};
  }
  LambdaModel a, b, c;
  ag::OnePointGroup group;
  Expr total;

  explicit Scene(const ag::Table& table)
      : a(model(table["x"], 1.0)),
        b(model(table["x"], 1.0)),
        c(model(table["x"], 1.0)),
        group(c),
        total(sum(table["x"], 0)) {
    for (LambdaModel* each : {&a, &b}) {
      each->calc_loss_from_params(at);
      each->calc_dloss_dparams(at);
      each->calc_sumstats_from_params(at, true);
      each->calc_sumstats_from_params(at, false);
      each->compiled(2).value_and_gradient(at, gradient, {.frozen = {true, false}});
      each->compiled(2).value_and_gradient(at, gradient, {.frozen = {false, true}});
    }
    group.calc_loss_from_params(at);
  }

  const std::vector<double> at = {0.5, 0.25};
  std::vector<double> gradient = {0.0, 0.0};
};

struct Doing {
  std::string name;  ///< as errors call it
  unsigned line;     ///< of the call, 0 where errors give the line of the parameters
  std::function<void(Scene&)> run;
};

#define DOING(name, call)          \
  Doing {                          \
    name, __LINE__, [](Scene& s) { \
      (void)s;                     \
      call;                        \
    }                              \
  }

const std::vector<Doing>& doings() {
  static const std::vector<Doing> all{
      DOING("calc_loss_from_params", s.a.calc_loss_from_params(s.at)),
      DOING("calc_loss_from_params", s.b.calc_loss_from_params(s.at)),
      DOING("calc_loss_from_params", s.a.calc_loss_from_params({0.5, 0.75})),
      DOING("calc_loss_and_grad_from_params", s.a.calc_loss_and_grad_from_params(s.at)),
      DOING("calc_dloss_dparams", s.a.calc_dloss_dparams(s.at)),
      DOING("calc_sumstats_from_params", s.a.calc_sumstats_from_params(s.at, true)),
      DOING("calc_sumstats_from_params", s.a.calc_sumstats_from_params(s.at, false)),
      Doing{"CompiledGraph::value_and_gradient", 0,
            [](Scene& s) {
              s.a.compiled(2).value_and_gradient(s.at, s.gradient, {.frozen = {true, false}});
            }},
      Doing{"CompiledGraph::value_and_gradient", 0,
            [](Scene& s) {
              s.a.compiled(2).value_and_gradient(s.at, s.gradient, {.frozen = {false, true}});
            }},
      DOING("run_adam", s.a.run_adam(s.at, {.nsteps = 3, .progress = false})),
      DOING("run_adam", s.b.run_adam(s.at, {.nsteps = 3, .progress = false})),
      DOING("run_simple_grad_descent", s.a.run_simple_grad_descent(s.at, {.nsteps = 3, .progress = false})),
      DOING("run_bfgs", s.a.run_bfgs(s.at, {.progress = false})),
      DOING("run_trust_region", s.a.run_trust_region(s.at, {.progress = false})),
      DOING("calc_hessian", s.a.calc_hessian(s.at)),
      DOING("run_lhs_param_scan", s.a.run_lhs_param_scan(0.0, 1.0, 2, 3, 1)),
      DOING("calc_loss_from_params", s.group.calc_loss_from_params(s.at)),
      DOING("Table", ag::Table("more", {{"y", std::vector<double>(3, 1.0)}})),
      DOING("compile", ag::compile(square(s.total), ag::parameters(1))),
      DOING("evaluate", ag::evaluate(s.total)),
      DOING("reduce_sum", ag::reduce_sum(1.0)),
      DOING("reduce_sum", ag::reduce_sum(xt::xarray<double>(xt::ones<double>({100})))),
      DOING("split_subcomms", ag::split_subcomms({.num_groups = 1})),
      DOING("split_subcomms_by_node", ag::split_subcomms_by_node()),
      DOING("CompiledGraph::write_dot", s.a.compiled(2).write_dot("/dev/null")),
      DOING("Communicator::synchronize", world().synchronize()),
      DOING("Communicator::guarded", world().guarded([] {})),
  };
  return all;
}

}  // namespace

TEST_CASE("ranks that do different things are an error on every rank, which names both with their lines") {
  setenv("ALLGRAD_TIMEOUT", "10", 1);  // instead of a hang
  const Said said;
  const ag::Table table = rows();
  for (std::size_t i = 0; i < doings().size(); ++i) {
    Scene scene(table);
    for (std::size_t j = 0; j < doings().size(); ++j) {
      if (i == j) continue;
      const Doing &first = doings()[i], &last = doings()[j];
      std::string text = "nothing was thrown";
      try {
        (is_culprit() ? last : first).run(scene);
      } catch (const ag::DivergenceError& error) {
        text = error.what();
      } catch (const std::exception& error) {
        text = fmt::format("not a DivergenceError: {}", error.what());
      }
      INFO(fmt::format("{} (line {}) against {} (line {}): {}", first.name, first.line, last.name, last.line, text));
      const auto names = [&](int rank, const Doing& doing) {
        const std::string line = doing.line == 0 ? "" : fmt::format(" (matrix.cpp:{})", doing.line);
        return text.find(fmt::format("rank {} is in {}{}", rank, doing.name, line)) != std::string::npos ||
               text.find(fmt::format("but rank {} in {}{}", rank, doing.name, line)) != std::string::npos;
      };
      CHECK(names(0, first));
      CHECK(names(world().size() - 1, last));
      CHECK(ag::reduce_sum(world().rank() + 1) == world().size() * (world().size() + 1) / 2);
    }
  }
}

TEST_CASE("the same on all ranks is no error") {
  const Said said;
  Scene scene(rows());
  for (const Doing& doing : doings()) doing.run(scene);
}

TEST_CASE("fits in another order on one rank are an error before any number is used") {
  const Said said;
  const Expr x = rows()["x"];
  LambdaModel a([x](const Expr& p) { return sum(x, 0) * 0.0 + p[0]; },
                [](const ag::Sumstats& s) { return square(s.value + 0.31); });
  LambdaModel b([x](const Expr& p) { return sum(x, 0) * 0.0 + p[0]; },
                [](const ag::Sumstats& s) { return square(s.value - 4.69); });
  check_error<ag::DivergenceError>({"these differ: ", "model"}, [&](unsigned& line) {
    LambdaModel& first = is_culprit() ? b : a;
    line = __LINE__ + 1;
    first.run_bfgs({0.0});
  });
  CHECK(a.run_bfgs({0.0}).x(0) == Approx(-0.31));
  CHECK(b.run_bfgs({0.0}).x(0) == Approx(4.69));
}

TEST_CASE("graphs in another order on one rank are an error in their first message, whatever runs them") {
  const Said said;
  const Expr x = rows()["x"];
  for (const auto executor : {ag::ExecutorKind::reference, ag::ExecutorKind::tiled}) {
    for (const bool communicates : {true, false}) {
      unsigned params_line = 0;
      const auto compile = [&](double target) {
        params_line = __LINE__ + 1;
        const Expr params = ag::parameters(1);
        const Expr statistic = communicates ? sum(exp(params[0] * x), 0) : exp(params[0]);
        return ag::compile(ag::Loss(square(statistic - target)), params, world(), {.executor = executor});
      };
      ag::CompiledGraph a = compile(1.0), b = compile(2.0);
      const std::size_t before = world().collectives();
      check_error<ag::DivergenceError>({"these differ: model"}, [&](unsigned& line) {
        line = params_line;
        (is_culprit() ? b : a).value(std::vector{0.5});
      });
      CHECK(world().collectives() == before + 2);  // and that of the causes
    }
  }
}

TEST_CASE("where ranks are about to compile different programs none compiles, and all can later") {
  const Said said;
  const std::vector<double> at = {0.5, 0.25};
  std::vector<double> gradient(2);
  const Expr x = rows()["x"];
  const auto frozen = [&](LambdaModel& model, const std::vector<bool>& which) {
    model.compiled(2).value_and_gradient(at, gradient, {.frozen = which});
  };
  const auto check = [&](const std::function<void(LambdaModel & a, LambdaModel & b, bool last)>& compile) {
    LambdaModel a = Scene::model(x, 1.0), b = Scene::model(x, 1.0);
    for (LambdaModel* each : {&a, &b}) each->calc_loss_from_params(at);
    CHECK_THROWS_AS(compile(a, b, is_culprit()), ag::DivergenceError);
    for (const bool last : {false, true}) CHECK_NOTHROW(compile(a, b, last));
  };
  check([&](LambdaModel& a, LambdaModel& b, bool last) { (last ? b : a).calc_hessian(at); });
  check([&](LambdaModel& a, LambdaModel&, bool last) { a.calc_sumstats_from_params(at, last); });
  check([&](LambdaModel& a, LambdaModel&, bool last) { frozen(a, {last, !last}); });
}

TEST_CASE("an aux value, a key or a model function on one rank alone is an error") {
  const Said said;
  Scene scene(rows());
  ag::AuxValues aux;
  check_error<ag::DivergenceError>({"rank 0 is in ", "of loss, aux values"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    const Expr params = ag::parameters(1);
    const ag::Loss loss(square(params[0] * scene.total), {{"p", params[0]}});
    ag::CompiledGraph graph = ag::compile(loss, params);
    graph.value(std::vector{1.0}, {.aux = is_culprit() ? &aux : nullptr});
  });
  unsigned params_line = __LINE__ + 1;
  const Expr params = ag::parameters(1);
  ag::CompiledGraph graph = ag::compile(ag::Loss(square(params[0] * scene.total), {{"p", params[0]}}), params);
  graph.value(std::vector{1.0});
  graph.value(std::vector{1.0}, {.aux = &aux});  // both are compiled, and send the same
  check_error<ag::DivergenceError>({"these differ: results"}, [&](unsigned& line) {
    line = params_line;
    graph.value(std::vector{1.0}, {.aux = is_culprit() ? &aux : nullptr});
  });
  const ag::Callback root_only = [&](const ag::Iterate& at) {
    if (world().is_root()) scene.b.calc_loss_from_params(at.params);
  };
  check_error<ag::DivergenceError>({"rank 0 is in run_adam", "in an evaluation", "in a step"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    scene.a.run_adam(scene.at, {.nsteps = 3, .callback = root_only, .progress = false});
  });
  CHECK(ag::reduce_sum(1) == world().size());
}

}  // namespace test_matrix
