// What tools/bench measures with: makes one model or graph, then answers requests, a line each on standard input, with
// a line of numbers.
//
//   values WHO          loss and gradient as `ours` and `limit` compute them
//   time WHO COUNT      seconds and seconds of processor time of one of COUNT evaluations; one more warms up several.
//                       WHO is `ours`, `loss`, which is ours without gradient, `reproducible`, which is ours with sums
//                       that do not depend on the ranks, `limit`, `compile`, which ends with one evaluation,
//                       `gauss_newton`, which is ours with the Gauss-Newton matrix, from statistics and their Jacobian,
//                       or `hvp`, the product of the Hessian with a vector
//   collectives WHO     of one evaluation
//   memory              MB that compiling and evaluating loss and gradient, and the loss, takes; the first request
//   graph               seconds to compile the graph, and MB

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <iostream>
#include <optional>
#include <sstream>
#include <thread>

#include "graphs.hpp"
#include "models.hpp"

namespace ag = allgrad;

namespace {

using benchmarks::Model;

/// An entry of /proc/self/status, in MB; `name` with its colon.
double memory_mb(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::stod(line.substr(name.size())) / 1024.0;
  }
  throw std::runtime_error("/proc/self/status has no " + name + "; measure memory on Linux");
}

/// MB by which memory exceeds at most, while `body` runs, what is in use before.
template <class F>
double memory_of(F body) {
  const double before = memory_mb("VmRSS:");
  std::ofstream("/proc/self/clear_refs") << "5\n";  // the peak begins anew
  body();
  return memory_mb("VmHWM:") - before;
}

double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

class Worker {
 public:
  Worker(const std::string& name, std::size_t size, const ag::Communicator& world)
      : make_([=](const ag::CompileOptions& options) { return benchmarks::make_model(name, size, world, options); }),
        model_(make_({})),
        gradient_(model_.params.size()),
        direction_(gradient_.size(), 1.0),
        hessian_(gradient_.size() * gradient_.size()) {}

  std::vector<double> answer(std::istream& request) {
    std::string verb, who;
    std::size_t count = 1;
    request >> verb >> who >> count;
    if (verb == "memory") return {memory_of([&] { evaluate("ours"), evaluate("loss"); })};
    if (verb == "values") {
      std::vector<double> values = {evaluate(who)};
      values.insert(values.end(), gradient_.begin(), gradient_.end());
      return values;
    }
    if (verb == "collectives") {
      evaluate(who);
      const ag::Communicator& comm = model_.model->communicator();
      const std::size_t before = comm.collectives();
      evaluate(who);
      return {static_cast<double>(comm.collectives() - before)};
    }
    if (count > 1) evaluate(who);
    const double start = seconds(), processor_start = processor_seconds();
    for (std::size_t i = 0; i < count; ++i) evaluate(who);
    const auto each = [&](double total) { return total / static_cast<double>(count); };
    return {each(seconds() - start), each(processor_seconds() - processor_start)};
  }

 private:
  double evaluate(const std::string& who) {
    if (who == "limit") return model_.limit(gradient_);
    if (who == "compile") model_.model->rebuild();
    if (who == "reproducible" && !reproducible_) reproducible_.emplace(make_({.reproducible = true}));
    const Model& model = who == "reproducible" ? *reproducible_ : model_;
    ag::Objective& ours = model.model->compiled(model_.params.size());
    if (who == "gauss_newton") {
      constexpr auto curvature = ag::Curvature::gauss_newton;
      return ours.value_gradient_and_hessian(model_.params, gradient_, hessian_, curvature, {});
    }
    if (who == "hvp") return ours.hessian_product(model_.params, direction_, gradient_, {}), 0.0;
    return who == "loss" ? ours.value(model_.params) : ours.value_and_gradient(model_.params, gradient_);
  }

  std::function<Model(const ag::CompileOptions&)> make_;
  Model model_;
  std::optional<Model> reproducible_;
  std::vector<double> gradient_;
  const std::vector<double> direction_;
  std::vector<double> hessian_;
};

std::vector<double> measure_graph(const std::string& name, std::size_t size, const ag::Communicator& world) {
  const benchmarks::Graph graph = benchmarks::make_graph(name, size, world);
  std::vector<double> gradient(graph.params.shape().at(0).length), params(gradient.size(), 0.5);
  const double start = processor_seconds();
  const double memory =
      memory_of([&] { ag::compile(graph.loss, graph.params, world).value_and_gradient(params, gradient); });
  return {processor_seconds() - start, memory};
}

/// The next line of rank 0's standard input, on every rank; empty at its end. Ranks that wait sleep, since others may
/// be measured meanwhile.
std::string next_request(const ag::Communicator& world) {
  char text[64] = {};
  if (world.is_root()) {
    std::string line;
    std::getline(std::cin, line);
    line.copy(text, sizeof text - 1);
  }
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Ibcast(text, sizeof text, MPI_CHAR, 0, world.handle(), &request);
  for (int done = 0;;) {
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done != 0) return text;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: worker NAME SIZE; tools/bench runs it\n");
    return 2;
  }
  const std::string name = argv[1];
  const std::size_t size = std::stoul(argv[2]);
  return ag::run(argc, argv, [&](const ag::Communicator& world) {
    std::optional<Worker> worker;
    if (!benchmarks::is_graph(name)) worker.emplace(name, size, world);
    for (std::string line; !(line = next_request(world)).empty();) {
      std::istringstream request(line);
      const auto numbers = worker ? worker->answer(request) : measure_graph(name, size, world);
      if (world.is_root()) fmt::print("{}\n", fmt::join(numbers, " ")), std::fflush(stdout);
    }
  });
}
