// A program whose ranks part in the way that its argument names; tests/faults/meson.build says how it is to end.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <functional>
#include <map>
#include <stdexcept>
#include <thread>
#include <vector>

#include "../lambda_model.hpp"
#include "allgrad/allgrad.hpp"

namespace ag = allgrad;
using allgrad::testing::LambdaModel;

namespace {

LambdaModel make_model(const ag::Communicator& comm) {
  const ag::Table halos("halos", {{"x", std::vector<double>(3, comm.rank() + 1.0)}}, comm);
  return {[x = halos["x"]](const ag::Expr& p) { return sum(p[0] * x, 0); },
          [](const ag::Sumstats& s) { return square(s.value - 2.0); }, comm};
}

void evaluate(LambdaModel& model) { model.calc_loss_from_params({0.5}); }

void check_sum(const ag::Communicator& world) {
  if (ag::reduce_sum(1, world) != world.size()) throw std::runtime_error("a wrong sum");
}

[[noreturn]] void loop_for_ever() {
  for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
}

using Body = std::function<void(const ag::Communicator&, LambdaModel&)>;

const std::map<std::string, Body> bodies{
    {"root alone prints",
     [](const ag::Communicator& world, LambdaModel& model) {
       evaluate(model);
       if (world.is_root()) evaluate(model);
     }},
    {"early return",
     [](const ag::Communicator& world, LambdaModel& model) {
       if (world.rank() == 1) return;
       model.run_adam({0.0}, {.progress = false});
     }},
    {"one more evaluation",
     [](const ag::Communicator& world, LambdaModel& model) {
       for (int i = 0; i < 3 + world.rank() / (world.size() - 1); ++i) evaluate(model);
       check_sum(world);
     }},
    {"one rank throws",
     [](const ag::Communicator& world, LambdaModel& model) {
       if (world.rank() == 1) throw std::runtime_error("no light cone here");
       evaluate(model);
     }},
    {"endless loop",
     [](const ag::Communicator& world, LambdaModel& model) {
       if (world.rank() == 1) loop_for_ever();
       evaluate(model);
     }},
    {"stopped process",
     [](const ag::Communicator& world, LambdaModel& model) {
       if (world.rank() == 1) std::raise(SIGSTOP);
       evaluate(model);
     }},
    {"blocked write",
     [](const ag::Communicator& world, LambdaModel& model) {
       std::array<int, 2> pipe{};
       if (world.rank() == 1 && ::pipe(pipe.data()) == 0) {  // which nobody reads
         const std::vector<char> much(1 << 20);
         if (write(pipe[1], much.data(), much.size()) >= 0) throw std::runtime_error("the pipe took it");
       }
       evaluate(model);
     }},
    {"killed process",
     [](const ag::Communicator& world, LambdaModel& model) {
       if (world.rank() == 1) std::raise(SIGKILL);
       evaluate(model);
     }},
    {"endless loop after the last call",
     [](const ag::Communicator& world, LambdaModel& model) {
       evaluate(model);
       if (world.rank() == 1) loop_for_ever();
     }},
    {"error is caught while another rank loops",
     [](const ag::Communicator& world, LambdaModel& model) {
       if (world.rank() == 1) loop_for_ever();
       try {
         evaluate(model);
       } catch (const ag::Error&) {
       }
     }},
    {"late rank",
     [](const ag::Communicator& world, LambdaModel& model) {
       if (world.rank() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(1500));
       evaluate(model);
       check_sum(world);
     }},
    {"another communicator",
     [](const ag::Communicator& world, LambdaModel& model) {
       if (world.rank() == 1) ag::Communicator alone(MPI_COMM_WORLD);
       evaluate(model);
     }},
    {"models of two communicators in another order",
     [](const ag::Communicator& world, LambdaModel& model) {
       LambdaModel other = make_model(ag::Communicator(MPI_COMM_WORLD));
       evaluate(world.rank() == 1 ? other : model);
       evaluate(world.rank() == 1 ? model : other);
     }},
    {"a part against the whole",
     [](const ag::Communicator& world, LambdaModel& model) {
       const auto split = ag::split_subcomms({.ranks_per_group = {2, 1}}, world);
       LambdaModel part = make_model(split.subcomm);
       if (world.rank() != 1) evaluate(model);
       evaluate(part);
       if (world.rank() == 1) evaluate(model);
     }},
    {"a failure on another communicator",
     [](const ag::Communicator& world, LambdaModel& model) {
       const ag::Communicator other(MPI_COMM_WORLD);
       if (world.rank() == 1) other.attempt([] { throw std::runtime_error("no light cone here"); });
       evaluate(model);
     }},
    {"failures on two communicators",
     [](const ag::Communicator& world, LambdaModel&) {
       const ag::Communicator first(MPI_COMM_WORLD), second(MPI_COMM_WORLD);
       if (world.rank() == 1) second.attempt([] { throw std::runtime_error("no halos"); });
       first.attempt([] { throw std::runtime_error("no light cone"); });
     }},
    {"waits of two seconds and more",
     [](const ag::Communicator& world, LambdaModel& model) {
       LambdaModel other = make_model(ag::Communicator(MPI_COMM_WORLD));
       for (int i = 0; i < world.size(); ++i) {
         if (world.rank() == i) std::this_thread::sleep_for(std::chrono::milliseconds(2500));
         evaluate(model);
         evaluate(other);
       }
     }},
    {"ranks that are stopped for a while",
     [](const ag::Communicator& world, LambdaModel& model) {
       LambdaModel other = make_model(ag::Communicator(MPI_COMM_WORLD));
       const pid_t rank = getpid(), child = world.rank() % 2 == 1 ? fork() : 1;
       for (int i = 0; child == 0 && i < 3; ++i) {  // wherever it is in a collective
         usleep(static_cast<useconds_t>(20'000 + 7'000 * i + 1'000 * world.rank()));
         kill(rank, SIGSTOP);
         usleep(2'500'000);
         kill(rank, SIGCONT);
       }
       if (child == 0) _exit(0);
       const auto start = std::chrono::steady_clock::now();
       const auto goes_on = [&] {
         const bool here = std::chrono::steady_clock::now() - start < std::chrono::seconds(8);
         return ag::reduce_sum(world.is_root() && here ? 1 : 0, world) == 1;
       };
       while (goes_on()) {
         for (int i = 0; i < 100; ++i) evaluate(i % 3 == 0 ? other : model);
       }
     }},
    {"error is caught and the model used again",
     [](const ag::Communicator& world, LambdaModel& model) {
       if (world.rank() == 1) return;
       try {
         evaluate(model);
       } catch (const ag::Error&) {
       }
       evaluate(model);
     }},
    {"error is caught",
     [](const ag::Communicator& world, LambdaModel& model) {
       if (world.rank() == 1) return;
       try {
         evaluate(model);
       } catch (const ag::Error&) {
       }
     }},
    {"Ctrl-C in a wait",
     [](const ag::Communicator& world, LambdaModel& model) {
       const ag::Callback part = [&](const ag::Iterate& at) {
         if (at.step < 2) return;
         if (world.rank() == 1) loop_for_ever();
         std::raise(SIGINT);
       };
       model.run_adam({0.0}, {.nsteps = 5, .callback = part, .progress = false});
     }},
    {"no communicator on one rank",
     [](const ag::Communicator& world, LambdaModel&) {
       const ag::Communicator comm(world.rank() == 1 ? MPI_COMM_NULL : MPI_COMM_WORLD);
     }},
    {"late ranks of a group",
     [](const ag::Communicator& world, LambdaModel&) {
       const auto split = ag::split_subcomms({.ranks_per_group = {2, 1}}, world);
       LambdaModel model = make_model(split.subcomm);
       ag::OnePointGroup group(model);
       group.calc_loss_from_params({0.25});
       if (!world.is_root()) std::this_thread::sleep_for(std::chrono::milliseconds(4500));
       group.calc_loss_from_params({0.5});  // its model is given up on ranks 0 and 1, while all meet in the group
     }},
    {"no number of seconds", [](const ag::Communicator&, LambdaModel&) {}},
};

}  // namespace

int main(int argc, char** argv) {
  const Body& body = bodies.at(argc > 1 ? argv[1] : "");
  return ag::run(argc, argv, [&](const ag::Communicator& world) {
    LambdaModel model = make_model(world);
    model.calc_loss_from_params({0.25});
    body(world, model);
  });
}
