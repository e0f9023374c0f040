// What optimizers say of their progress, to a sink of the user.
#include "optimizers/progress.hpp"

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "allgrad/adam.hpp"
#include "base/emit.hpp"
#include "catch.hpp"
#include "optimizer_objectives.hpp"
#include "said.hpp"

namespace test_progress {

namespace ag = allgrad;
using allgrad::testing::Said;
using Lines = std::vector<std::string>;

namespace {

/// Of a model without aux values.
ag::Iterate iterate(std::size_t step, double loss, std::span<const double> params, std::span<const double> gradient) {
  static const ag::AuxValues none;
  return {step, loss, params, gradient, none, none};
}

}  // namespace

TEST_CASE("off a terminal a line is said every ten seconds, the first after ten") {
  Said said;
  double now = 1000.0;
  ag::Progress progress("Adam", {"log_m1", "beta"}, [&] { return now; });
  const std::vector<double> params = {11.5, -2.0}, gradient = {0.0, 0.0};
  for (std::size_t step = 0; step < 100; ++step) {
    now += 0.25;
    progress.update(iterate(step, 100.0 - static_cast<double>(step), params, gradient), 500, 500);
  }
  CHECK(said.progress == Lines{"Adam: step 39 of 500, loss 61, up to 1 min 55 s left; log_m1 = 11.5, beta = -2",
                               "Adam: step 79 of 500, loss 21, up to 1 min 45 s left; log_m1 = 11.5, beta = -2"});
}

TEST_CASE("the time that is left") {
  Said said;
  double now = 0.0;
  ag::Progress progress("Lbfgsb", {"a"}, [&] { return now; });
  const std::vector<double> param = {1.0};
  const auto update = [&](double time, std::size_t step, std::size_t nsteps, std::size_t points) {
    now = time;
    progress.update(iterate(step, 0.5, param, param), nsteps, points);
  };
  update(12.0, 0, 8, 9);  // 8 iterations after the guess
  update(24.0, 3, 8, 8);  // 8 evaluations in all
  update(36.0, 7, 8, 8);
  update(48.0, 7, 4, 4);  // fewer steps than have been taken
  update(3600.0, 9, 40, 40);
  CHECK(said.progress == Lines{"Lbfgsb: step 0 of 8, loss 0.5, up to 1 min 36 s left; a = 1",
                               "Lbfgsb: step 3 of 8, loss 0.5, up to 24 s left; a = 1",
                               "Lbfgsb: step 7 of 8, loss 0.5, up to 0 s left; a = 1",
                               "Lbfgsb: step 7 of 4, loss 0.5, up to 0 s left; a = 1",
                               "Lbfgsb: step 9 of 40, loss 0.5, up to 3 h 00 min left; a = 1"});
}

TEST_CASE("the time that is left where a run goes on from an earlier one") {
  Said said;
  double now = 0.0;
  ag::Progress progress("Adam", {"a"}, [&] { return now; });
  const std::vector<double> param = {1.0};
  now = 5.0;
  progress.start_at(80);
  now = 15.0;
  progress.update(iterate(80, 0.5, param, param), 90, 90);
  CHECK(said.progress == Lines{"Adam: step 80 of 90, loss 0.5, up to 1 min 30 s left; a = 1"});
}

TEST_CASE("ALLGRAD_PROGRESS goes before what is found of the terminal") {
  const auto lines_with = [](const char* wanted) {
    Said said;
    setenv("ALLGRAD_PROGRESS", wanted, 1);
    double now = 0.0;
    ag::Progress progress("Adam", {"a"}, [&] { return now; });
    const std::vector<double> param = {1.0};
    now = 60.0;
    progress.update(iterate(1, 0.5, param, param), 4, 4);
    ag::emit(ag::Severity::warning, "slow");
    unsetenv("ALLGRAD_PROGRESS");
    CHECK(said.warnings == Lines{"slow"});
    return said.progress;
  };
  const Lines told = {"Adam: step 1 of 4, loss 0.5, up to 1 min 00 s left; a = 1"};
  CHECK(lines_with("") == told);
  CHECK(lines_with("plain") == told);
  CHECK(lines_with("line") == told);  // a sink of the user has no line to rewrite
  CHECK(lines_with("off").empty());

  const auto can_show_with = [](const char* wanted) {
    setenv("ALLGRAD_PROGRESS", wanted, 1);
    const bool can = ag::can_show_status();
    unsetenv("ALLGRAD_PROGRESS");
    return can;
  };
  CHECK(can_show_with("line"));
  CHECK_FALSE(can_show_with("plain"));
  CHECK_FALSE(can_show_with("off"));
  CHECK(can_show_with("") == (isatty(STDERR_FILENO) != 0));
}

// As on a terminal, where what a rank shows is not to be mixed with what others do.
TEST_CASE("the root alone tells of the progress of a run") {
  std::FILE* stream = std::tmpfile();
  REQUIRE(stream != nullptr);
  const int file = fileno(stream);
  const int standard_error = dup(STDERR_FILENO);
  dup2(file, STDERR_FILENO);
  setenv("ALLGRAD_PROGRESS", "line", 1);
  Analytic objective(2, rosenbrock);
  const auto pause = [](const ag::Iterate& at) { usleep(at.step == 0 ? 300000 : 0); };
  ag::Adam{.nsteps = 3, .callback = pause}.minimize(objective, {-1.2, 1.0});
  unsetenv("ALLGRAD_PROGRESS");
  dup2(standard_error, STDERR_FILENO);
  close(standard_error);
  CHECK((lseek(file, 0, SEEK_END) > 0) == objective.communicator().is_root());
  std::fclose(stream);
}

TEST_CASE("short runs are silent") {
  Said said;
  Analytic objective(2, rosenbrock);
  ag::Adam{.nsteps = 10}.minimize(objective, {-1.2, 1.0});
  CHECK(said.progress.empty());
}

}  // namespace test_progress
