// An evaluation by the tiled executor allocates nothing, but for the first of its kind, which compiles.
#include "allocations.hpp"
#include "catch.hpp"
#include "evaluation.hpp"
#include "examples/models/hod.hpp"
#include "examples/models/smf.hpp"
#include "examples/models/twostage.hpp"

namespace test_allocation {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

template <class Model>
void check_allocates_nothing(const std::string& name) {
  const Json entry = read_json("models.json").at(name);
  const auto params = entry.at("params").get<std::vector<double>>();
  std::vector<double> gradient(params.size());
  for (const Split split : {all_on_first, uneven, one_and_eleven}) {
    Model model(make_table(entry, split, ag::Communicator::world()), {});
    ag::CompiledGraph& graph = model.compiled(params.size());
    graph.value(params);  // is compiled where it is asked for
    for (int evaluation = 0; evaluation < 3; ++evaluation) {
      const std::size_t before = allocations();
      graph.value(params);
      const std::size_t between = allocations();
      graph.value_and_gradient(params, gradient);
      const std::size_t after = allocations();
      INFO(name << ", evaluation " << evaluation);
      CHECK(between - before == 0);
      CHECK(after - between == 0);
    }
  }
}

/// Draws per row and others, at a new key each time.
void check_draws_allocate_nothing(Split split) {
  const ag::Table halos = deal("halos", {{"x", noise_column(3000, 1)}}, split, ag::Communicator::world());
  const ag::Expr params = ag::parameters(2), key = ag::random::key();
  const ag::Expr noise = ag::random::normal(ag::random::fold_in(key, 1), {halos.rows(), 3});
  const ag::Expr loss = mean(tanh(expand_dims(halos["x"], 1) + params[1] * noise)) * params[0] +
                        sum(ag::random::uniform(key, {2}) * params);
  ag::CompiledGraph graph = compile(loss, params);
  const std::vector<double> at = {0.3, 0.7};
  std::vector<double> gradient(2);
  graph.value(at, {.randkey = 0});
  for (int evaluation = 0; evaluation < 3; ++evaluation) {
    const ag::EvaluationOptions options = {.randkey = evaluation};
    const std::size_t before = allocations();
    graph.value(at, options);
    graph.value_and_gradient(at, gradient, options);
    const std::size_t after = allocations();
    INFO("draws, evaluation " << evaluation);
    CHECK(after - before == 0);
  }
}

}  // namespace

TEST_CASE("allocations are counted in the library too") {
  const std::size_t before = allocations();
  const ag::Expr params = ag::parameters(1);
  CHECK(allocations() > before);
}

TEST_CASE("an evaluation allocates nothing") {
  check_allocates_nothing<models::Smf>("smf");
  check_allocates_nothing<models::Hod>("hod");
  check_allocates_nothing<models::TwoStage>("twostage");
  for (const Split split : {all_on_first, uneven}) check_draws_allocate_nothing(split);
}

}  // namespace test_allocation
