// allgrad before MPI is initialized, and after it is finalized: an exception that says what to do, and no crash.
#include <fmt/format.h>

#include <functional>
#include <optional>
#include <string>

#include "allgrad/allgrad.hpp"

namespace ag = allgrad;

namespace {

class Model final : public ag::OnePointModel {
 public:
  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override { return params; }
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& sumstats) const override { return sum(sumstats.value); }
};

/// What a program may still hold when MPI is finalized.
struct Kept {
  ag::Communicator comm{MPI_COMM_WORLD};
  ag::Message message{100};
  Model model;
  ag::CompiledGraph graph = [] {
    const ag::Expr params = ag::parameters(1);
    return ag::compile(sum(params), params);
  }();
  Model member;
  ag::OnePointGroup group{member};
  ag::Adam adam{.nsteps = 2, .progress = false};
  ag::AdamState run = adam.init(model.compiled(1), {1.0});
};
std::optional<Kept> kept;

using Uses = std::vector<std::pair<const char*, std::function<void()>>>;

const Uses uses_of_kept = {
    {"allreduce", [] { kept->comm.allreduce(kept->message); }},
    {"synchronize", [] { kept->comm.synchronize(); }},
    {"allgather", [] { kept->comm.allgather(1); }},
    {"broadcast", [] { kept->comm.broadcast("text", 0); }},
    {"guarded", [] { kept->comm.guarded([] { return 1; }); }},
    {"reduce_sum", [] { ag::reduce_sum(1.0, kept->comm); }},
    {"split_subcomms", [] { ag::split_subcomms({.num_groups = 1}, kept->comm); }},
    {"table on a communicator",
     [] {
       ag::Table("halos", {{"x", std::vector{1.0}}}, kept->comm);
     }},
    {"loss", [] { kept->model.calc_loss_from_params({1.0}); }},
    {"gradient", [] { kept->model.calc_dloss_dparams({1.0}); }},
    {"statistics", [] { kept->model.calc_sumstats_from_params({1.0}); }},
    {"fit", [] { kept->model.run_bfgs({1.0}); }},
    {"scan", [] { kept->model.run_lhs_param_scan(0.0, 1.0, 1, 2); }},
    {"graph", [] { kept->graph.value(std::vector{1.0}); }},
    {"group", [] { kept->group.calc_loss_from_params({1.0}); }},
    {"step", [] { kept->adam.step(kept->run); }},
};

const Uses uses = {
    {"world", [] { ag::Communicator::world(); }},
    {"duplicate", [] { ag::Communicator duplicate(MPI_COMM_WORLD); }},
    {"table",
     [] {
       ag::Table("halos", {{"x", std::vector{1.0}}});
     }},
    {"model", [] { Model(); }},
    {"compile",
     [] {
       const ag::Expr params = ag::parameters(1);  // expressions need no MPI
       ag::compile(sum(params), params);
     }},
};

/// How many of the uses do not throw an Error that tells about MPI.
int count_unrefused(const Uses& all, const char* when) {
  int unrefused = 0;
  for (const auto& [name, use] : all) {
    std::string text = "nothing was thrown";
    try {
      use();
    } catch (const ag::Error& error) {
      text = error.what();
    }
    const bool refused =
        text.find("needs MPI to be running") != std::string::npos &&
        text.find("Run your program inside allgrad::run, or between MPI_Init and MPI_Finalize") != std::string::npos;
    if (refused) continue;
    fmt::print(stderr, "{} {}: {}\n", name, when, text);
    ++unrefused;
  }
  return unrefused;
}

}  // namespace

int main(int argc, char** argv) {
  int unrefused = count_unrefused(uses, "before MPI_Init");
  int code = ag::run(argc, argv, [](const ag::Communicator&) {
    kept.emplace();
    kept->model.calc_loss_from_params({1.0});
    kept->group.calc_loss_from_params({1.0});
  });
  unrefused += count_unrefused(uses, "after MPI_Finalize") + count_unrefused(uses_of_kept, "after MPI_Finalize");
  kept.reset();
  return code == 0 && unrefused == 0 ? 0 : 1;
}
