// allgrad before MPI is initialized, and after it is finalized: an exception that says what to do, and no crash.
#include <fmt/format.h>

#include <functional>
#include <string>

#include "allgrad/allgrad.hpp"

namespace ag = allgrad;

namespace {

class Model final : public ag::OnePointModel {
 public:
  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override { return params; }
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& sumstats) const override { return sum(sumstats.value); }
};

const std::vector<std::pair<const char*, std::function<void()>>> uses = {
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
int count_unrefused(const char* when) {
  int unrefused = 0;
  for (const auto& [name, use] : uses) {
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
  int unrefused = count_unrefused("before MPI_Init");
  int code = ag::run(argc, argv, [](const ag::Communicator&) {
    Model model;
    model.calc_loss_from_params({1.0});
  });
  unrefused += count_unrefused("after MPI_Finalize");
  return code == 0 && unrefused == 0 ? 0 : 1;
}
