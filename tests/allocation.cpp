// An evaluation by the tiled executor allocates nothing.
#include "allocations.hpp"
#include "catch.hpp"
#include "evaluation.hpp"

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

}  // namespace

TEST_CASE("allocations are counted in the library too") {
  const std::size_t before = allocations();
  const ag::Expr params = ag::parameters(1);
  CHECK(allocations() > before);
}

TEST_CASE("an evaluation allocates nothing") {
  check_allocates_nothing<Smf>("smf");
  check_allocates_nothing<Hod>("hod");
  check_allocates_nothing<TwoStage>("twostage");
}
