// A program inside allgrad::run that ends in the way its argument names; tests/meson.build says what is expected.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <cmath>
#include <functional>
#include <future>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "allgrad/allgrad.hpp"
#include "base/emit.hpp"
#include "comm/call.hpp"
#include "lambda_model.hpp"
#include "said.hpp"

namespace ag = allgrad;
using allgrad::testing::LambdaModel;
using allgrad::testing::Said;

namespace {

void check_sum(const ag::Communicator& world) {
  ag::Message message(1);
  message.payload()[0] = world.rank();
  world.allreduce(message);
  if (message.payload()[0] != world.size() * (world.size() - 1) / 2) throw std::runtime_error("wrong sum");
}

// From the table to the result, with a split, a scan and text on the way.
void check_fit(const ag::Communicator& comm) {
  const ag::Subcomm part = ag::split_subcomms({.num_groups = 1}, comm);
  const ag::Table halos("halos", {{"x", std::vector<double>(3, comm.rank() + 1.0)}}, part.subcomm);
  LambdaModel model([x = halos["x"]](const ag::Expr& p) { return sum(p[0] * x, 0); },
                    [](const ag::Sumstats& s) { return square(s.value - 2.0); }, part.subcomm);
  const double total = 1.5 * comm.size() * (comm.size() + 1);
  if (std::abs(model.run_bfgs({0.0}, {.progress = false}).x(0) - 2.0 / total) > 1e-9)
    throw std::runtime_error("wrong x");
  const auto scan = model.run_lhs_param_scan(0.0, 1.0, 1, 4, 1);
  for (std::size_t i = 0; i < 4; ++i) {
    const double miss = scan.params(i, 0) * total - 2.0;
    if (std::abs(scan.losses(i) - miss * miss) > 1e-9) throw std::runtime_error("wrong loss");
  }
  ag::emit(ag::Severity::progress, "fitted");
}

bool mpi_serves_threads() {
  int level = MPI_THREAD_SINGLE;
  MPI_Query_thread(&level);
  return level == MPI_THREAD_MULTIPLE;
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
    {"late rank",
     [](const ag::Communicator& world) {
       if (world.rank() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(1500));
       check_sum(world);
     }},
    {"two threads",
     [](const ag::Communicator&) {
       if (!mpi_serves_threads()) return;
       const ag::Communicator first(MPI_COMM_WORLD), second(MPI_COMM_WORLD);
       const auto use = [](const ag::Communicator& comm) {
         for (int i = 0; i < 500; ++i) check_sum(comm);
         for (int i = 0; i < 10; ++i) check_fit(comm);
       };
       const Said said;  // which is no place for two threads at once
       auto other = std::async(std::launch::async, [&] { use(second); });
       use(first);
       other.get();
       if (said.progress != std::vector<std::string>(20, "fitted") || !said.warnings.empty()) {
         throw std::runtime_error(fmt::format("expected 20 texts, got {} and {}", said.progress, said.warnings));
       }
     }},
    {"two threads in turn",
     [](const ag::Communicator& world) {
       if (mpi_serves_threads()) return;
       const ag::Communicator second(MPI_COMM_WORLD);
       const auto use_in_thread = [&] { std::async(std::launch::async, [&] { check_sum(second); }).get(); };
       {
         const ag::Call call("a fit", {}, world);
         std::string text = "nothing was thrown";
         try {
           use_in_thread();
         } catch (const ag::ArgumentError& error) {
           text = error.what();
         }
         if (text.find("got two, which MPI does not serve here: initialize it by MPI_Init_thread") == std::string::npos)
           throw std::runtime_error(text);
       }
       check_sum(second);  // the thread that was refused has left it free
       check_sum(world);
     }},
};

// The user's own MPI_Init and MPI_Finalize around some runs.
int run_inside_users_mpi(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int first = 0;
  for (const char* const way : {"success", "late rank", "two threads in turn"})
    first += ag::run(argc, argv, bodies.at(way));
  const int second = ag::run(argc, argv, bodies.at("thrown on one"));
  int sum = 0;
  MPI_Allreduce(&first, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  MPI_Finalize();
  return sum == 0 && second == 1 ? 0 : 2;
}

// MPI for several threads, if it has that.
int run_with_threads(int argc, char** argv) {
  int level = MPI_THREAD_SINGLE;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
  const int code = ag::run(argc, argv, bodies.at("two threads"));
  MPI_Finalize();
  return code;
}

// A communicator whose first use comes after MPI_Finalize.
int use_after_finalize(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const ag::Communicator unused(MPI_COMM_WORLD);
  MPI_Finalize();
  try {
    unused.synchronize();
  } catch (const ag::Error& error) {
    return std::string(error.what()).find("needs MPI to be running") != std::string::npos ? 0 : 2;
  }
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string way = argc > 1 ? argv[1] : "";
  if (way == "two threads") return run_with_threads(argc, argv);
  if (way == "own MPI_Init") return run_inside_users_mpi(argc, argv);
  if (way == "first use after MPI_Finalize") return use_after_finalize(argc, argv);
  return ag::run(argc, argv, bodies.at(way));
}
