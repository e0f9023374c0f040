// A program inside allgrad::run that ends in the way its argument names; tests/meson.build says what is expected.
#include <fmt/format.h>

#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>

#include "allgrad/run.hpp"
#include "base/emit.hpp"

namespace ag = allgrad;

namespace {

void check_sum(const ag::Communicator& world) {
  ag::Message message(1);
  message.payload()[0] = world.rank();
  world.allreduce(message);
  if (message.payload()[0] != world.size() * (world.size() - 1) / 2) throw std::runtime_error("wrong sum");
}

// Outlives MPI_Finalize.
std::optional<ag::Communicator> kept;

using Body = std::function<void(const ag::Communicator&)>;

const std::map<std::string, Body> bodies{
    {"success",
     [](const ag::Communicator& world) {
       check_sum(world);
       kept.emplace(MPI_COMM_WORLD);
       check_sum(*kept);
     }},
    {"same text on all", [](const ag::Communicator&) { throw std::runtime_error("no file"); }},
    {"own text on each",
     [](const ag::Communicator& world) {
       throw std::runtime_error(fmt::format("no file {}", world.is_root() ? "a" : "b"));
     }},
    {"thrown on one",
     [](const ag::Communicator& world) {
       if (world.rank() == 1) throw std::runtime_error("no file");
     }},
    {"guarded on one",
     [](const ag::Communicator& world) {
       world.guarded([&] {
         if (world.rank() == 1) throw std::runtime_error("no file");
       });
     }},
    {"no exception class", [](const ag::Communicator&) { throw 42; }},
    {"others wait",
     [](const ag::Communicator& world) {
       if (world.rank() == 1) throw std::runtime_error("no file");
       MPI_Barrier(world.handle());
     }},
    {"messages",
     [](const ag::Communicator& world) {
       if (world.is_root()) ag::emit(ag::Severity::progress, "allgrad: step 1");
       if (!world.is_root()) ag::emit(ag::Severity::warning, "slow");
       ag::emit(ag::Severity::error, "wrong");
     }},
};

// The user's own MPI_Init and MPI_Finalize around two runs.
int run_inside_users_mpi(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const int first = ag::run(argc, argv, bodies.at("success"));
  const int second = ag::run(argc, argv, bodies.at("thrown on one"));
  int sum = 0;
  MPI_Allreduce(&first, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  MPI_Finalize();
  return sum == 0 && second == 1 ? 0 : 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string way = argc > 1 ? argv[1] : "";
  if (way == "own MPI_Init") return run_inside_users_mpi(argc, argv);
  return ag::run(argc, argv, bodies.at(way));
}
