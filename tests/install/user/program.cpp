// A user's program: the number that is nearest to all rows is their mean, here that of 0, 2 and 1, 3.
#include <fmt/format.h>

#include <allgrad/allgrad.hpp>

namespace ag = allgrad;

int main(int argc, char** argv) {
  return ag::run(argc, argv, [](const ag::Communicator& world) {
    const double rank = world.rank();
    const ag::Table table("numbers", {{"x", std::vector<double>{rank, rank + 2.0}}}, world);
    const ag::Expr params = ag::parameters(1);
    auto graph = ag::compile(mean(square(table["x"] - params[0])), params, world);
    const auto fit = ag::Lbfgsb{}.minimize(graph, {10.0});
    if (world.is_root()) fmt::print("{:.6f} on {} ranks\n", fit.x(0), world.size());
  });
}
