// Runs that go on from a checkpoint, and checkpoints that are refused.

#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "allgrad/adam.hpp"
#include "allgrad/error.hpp"
#include "allgrad/gradient_descent.hpp"
#include "allgrad/lbfgsb.hpp"
#include "check_error.hpp"
#include "optimizer_objectives.hpp"
#include "said.hpp"
#include "shared_folder.hpp"
#include "world.hpp"

namespace test_checkpoints {

namespace ag = allgrad;
using namespace allgrad::testing;
using allgrad::testing::check_error;
using allgrad::testing::check_parts;
using allgrad::testing::Said;
using allgrad::testing::SharedFolder;

namespace {

std::string content_of(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

void write(const std::string& file, const std::string& content) {
  if (world().is_root()) std::ofstream(file, std::ios::binary) << content;
  world().synchronize();
}

// (1 - x)^2 + 100 (z - x^2)^2 + y, and terms that depend on the key, of which each rank adds another share. It is not a
// number beyond a wall; `before` is called with the number of each evaluation.
class Noisy {
 public:
  explicit Noisy(std::function<void(std::size_t)> before = {}, double wall = 100.0)
      : objective(3, [this, before = std::move(before), wall](auto p, auto gradient, const auto& options) {
          if (before) before(objective.evaluations());
          const double loss = rosenbrock(std::vector{p[0], p[2]}, gradient);
          gradient[2] = gradient[1];
          gradient[1] = 1.0;
          const double noise = options.randkey ? 1e-11 * options.randkey->words()[1] : 0.0;
          gradient[0] += noise;
          if (options.aux != nullptr) *options.aux = {{"noise", ag::Array({2}, noise)}, {"x", p[0]}};
          return p[0] > wall ? std::nan("") : loss + p[1] + noise * p[0];
        }) {}

  Analytic objective;
};

// Bounds of all kinds, scales, and one frozen.
const ag::Params declared = {{.name = "x", .guess = -1.2, .bounds = {-3.0, 2.0}, .scale = 0.5},
                             {.name = "y", .guess = 0.3, .frozen = true},
                             {.name = "z", .guess = 1.0, .bounds = {.low = 0.1}, .scale = 2.0}};

std::vector<ag::Adam> adams() {
  return {{.nsteps = 12, .learning_rate = 0.1},
          {.nsteps = 12, .learning_rate = 0.1, .randkey = 5, .const_randkey = true},
          {.nsteps = 12,
           .learning_rate = [](std::size_t step) { return 0.3 / (1.0 + static_cast<double>(step)); },
           .randkey = 7,
           .beta1 = 0.8}};
}

std::vector<ag::GradientDescent> descents() {
  return {{.nsteps = 12, .learning_rate = 1e-3},
          {.nsteps = 12,
           .learning_rate = [](std::size_t step) { return 1e-3 / (1.0 + static_cast<double>(step)); },
           .randkey = 3}};
}

std::vector<ag::Lbfgsb> lbfgsbs() { return {{.ftol = 0.0}, {.randkey = 9, .memory = 3}}; }

using Bits = std::vector<std::uint64_t>;

template <class... Values>
Bits bits_of(const Values&... values) {
  Bits bits;
  (std::ranges::transform(values.storage(), std::back_inserter(bits),
                          [](double value) { return std::bit_cast<std::uint64_t>(value); }),
   ...);
  return bits;
}

void check_same(const ag::BestPoint& found, const ag::BestPoint& expected) {
  CHECK(std::bit_cast<std::uint64_t>(found.loss) == std::bit_cast<std::uint64_t>(expected.loss));
  CHECK(bits_of(found.params) == bits_of(expected.params));
  CHECK(found.step == expected.step);
}

void check_same(const ag::Trajectory& found, const ag::Trajectory& expected) {
  CHECK(bits_of(found.loss, found.params) == bits_of(expected.loss, expected.params));
  REQUIRE(found.aux.names() == expected.aux.names());
  for (const auto& [name, value] : found.aux) CHECK(bits_of(value) == bits_of(expected.aux[name]));
  check_same(found.best, expected.best);
  CHECK(found.skipped == expected.skipped);
  CHECK(found.str() == expected.str());
}

void check_same(const ag::OptimizeResult& found, const ag::OptimizeResult& expected) {
  CHECK(bits_of(found.x, found.jac, found.hess_inv.dense()) ==
        bits_of(expected.x, expected.jac, expected.hess_inv.dense()));
  CHECK(found.fun == expected.fun);
  check_same(found.best, expected.best);
  CHECK(found.str() == expected.str());
}

template <class Check>
void for_each_optimizer(Check check) {
  for (const auto& adam : adams()) check(adam);
  for (const auto& descent : descents()) check(descent);
  for (const auto& lbfgsb : lbfgsbs()) check(lbfgsb);
}

template <class Optimizer>
auto with(Optimizer optimizer, const std::string& file, bool resume, std::size_t every = 1000) {
  optimizer.checkpoint = {.file = file, .every = every, .resume = resume};
  optimizer.progress = false;
  return optimizer;
}

void set_steps(ag::Adam& adam, std::size_t steps) { adam.nsteps = steps; }
void set_steps(ag::GradientDescent& descent, std::size_t steps) { descent.nsteps = steps; }
void set_steps(ag::Lbfgsb& lbfgsb, std::size_t steps) { lbfgsb.maxsteps = steps; }

}  // namespace

TEST_CASE("a run that was dropped goes on from its last checkpoint") {
  const std::size_t every = GENERATE(1U, 3U);
  const double wall = GENERATE(100.0, -1.1);
  Said said;
  for_each_optimizer([&](const auto& optimizer) {
    const SharedFolder folder;
    const std::string file = folder.file("run");
    Noisy whole({}, wall);
    const auto expected = optimizer.minimize(whole.objective, declared);
    for (const std::size_t steps : {1U, 4U, 5U}) {
      Noisy noisy({}, wall);
      const auto kept = with(optimizer, file, true, every);
      auto state = kept.init(noisy.objective, declared);
      for (std::size_t step = state.step(); step < steps && !state.ended(); ++step) kept.step(state);
    }
    Noisy noisy({}, wall);
    check_same(with(optimizer, file, true).minimize(noisy.objective, declared), expected);
    CHECK(noisy.objective.evaluations() < whole.objective.evaluations());
  });
}

TEST_CASE("a run that the callback stops goes on") {
  Said said;
  for_each_optimizer([&](const auto& optimizer) {
    const SharedFolder folder;
    Noisy whole, noisy;
    const auto expected = optimizer.minimize(whole.objective, declared);
    auto stopped = with(optimizer, folder.file("run"), false);
    stopped.callback = [](const ag::Iterate& at) {
      return at.step == 4 && world().rank() == world().size() - 1 ? ag::Control::stop : ag::Control::proceed;
    };
    CHECK(stopped.minimize(noisy.objective, declared).end_reason == ag::EndReason::stopped);
    check_same(with(optimizer, folder.file("run"), true).minimize(noisy.objective, declared), expected);
    // The one at the guess is made again.
    CHECK(noisy.objective.evaluations() == whole.objective.evaluations() + 1);
  });
}

TEST_CASE("a run that a signal ends at any of its evaluations goes on") {
  const double wall = GENERATE(100.0, -1.1);
  Said said;
  for_each_optimizer([&](const auto& optimizer) {
    const SharedFolder folder;
    Noisy whole({}, wall);
    const auto expected = optimizer.minimize(whole.objective, declared);
    for (std::size_t when = 0; when + 1 < whole.objective.evaluations(); when += 2) {
      Noisy ended(
          [&](std::size_t evaluation) {
            if (evaluation == when && world().is_root()) std::raise(SIGTERM);
          },
          wall);
      const auto part = with(optimizer, folder.file("run"), false).minimize(ended.objective, declared);
      REQUIRE(part.end_reason == ag::EndReason::interrupted);
      Noisy noisy({}, wall);
      check_same(with(optimizer, folder.file("run"), true).minimize(noisy.objective, declared), expected);
    }
  });
}

TEST_CASE("a run that has taken all its steps costs one evaluation, and may take more") {
  for_each_optimizer([&](const auto& optimizer) {
    const SharedFolder folder;
    Noisy noisy;
    auto few = with(optimizer, folder.file("run"), true);
    set_steps(few, 3);
    const auto part = few.minimize(noisy.objective, declared);
    const std::size_t evaluations = noisy.objective.evaluations();
    check_same(few.minimize(noisy.objective, declared), part);
    CHECK(noisy.objective.evaluations() == evaluations + 1);
    const auto expected = optimizer.minimize(noisy.objective, declared);
    check_same(with(optimizer, folder.file("run"), true).minimize(noisy.objective, declared), expected);
    check_same(with(optimizer, folder.file("run"), true).minimize(noisy.objective, declared), expected);
  });
}

TEST_CASE("what is wished is said") {
  const SharedFolder folder;
  const std::string file = folder.file("run");
  Noisy noisy;
  Said said;
  ag::Adam adam{.nsteps = 3, .checkpoint = {.file = file, .resume = true}};
  adam.minimize(noisy.objective, declared);
  adam.nsteps = 5;
  adam.minimize(noisy.objective, declared);
  using Lines = std::vector<std::string>;
  if (world().is_root()) {
    CHECK(said.progress == Lines{"Adam: there is no checkpoint '" + file + "' yet, starting from the guess",
                                 "Adam: going on from step 3 of checkpoint '" + file + "'"});
  } else {
    CHECK(said.progress.empty());
  }
  CHECK(said.warnings.empty());
  CHECK(std::filesystem::exists(file));
  CHECK_FALSE(std::filesystem::exists(file + ".tmp"));
}

TEST_CASE("a checkpoint that cannot be written is worth a warning") {
  SharedFolder folder;
  const std::string file = folder.file("run");
  const std::string where = GENERATE("no folder", "a folder", "folder gone");
  Said said;
  Noisy noisy;
  const auto expected = ag::Adam{.nsteps = 12}.minimize(noisy.objective, declared);
  auto adam = with(ag::Adam{.nsteps = 12}, where == "no folder" ? file + "/none/run" : file, false, 2);
  if (where == "a folder") {
    if (world().is_root()) std::filesystem::create_directory(file);
    world().synchronize();
  }
  if (where == "folder gone") {
    adam.callback = [&](const ag::Iterate& at) {
      if (at.step == 6) folder.remove();
    };
  }
  check_same(adam.minimize(noisy.objective, declared), expected);
  REQUIRE(said.warnings.size() == (world().is_root() ? 1 : 0));
  if (world().is_root()) {
    check_parts(said.warnings[0], {"Adam: the checkpoint '",
                                   where == "folder gone" ? "' could not be written at step 8: No such file"
                                                          : "' could not be written at step 2: ",
                                   "The run goes on. Check that"});
  }
}

TEST_CASE("options of checkpoints that cannot be used") {
  Noisy noisy;
  check_error<ag::ArgumentError>({"Adam: expected a whole number from 1", "for checkpoint.every, got 0"},
                                 [&](unsigned& line) {
                                   line = __LINE__ + 1;
                                   ag::Adam{.checkpoint = {.file = "x", .every = 0}}.init(noisy.objective, declared);
                                 });
  check_error<ag::ArgumentError>({"Lbfgsb: expected false, since there is no checkpoint.file, for checkpoint.resume"},
                                 [&](unsigned& line) {
                                   line = __LINE__ + 1;
                                   ag::Lbfgsb{.checkpoint = {.resume = true}}.init(noisy.objective, declared);
                                 });
}

namespace {

// Checks that `optimizer` does not go on from `file`, on any rank.
template <class Optimizer>
void check_refuses(const Optimizer& optimizer, ag::Objective& objective, const ag::Guess& guess,
                   const std::string& file, const std::vector<std::string>& parts) {
  const auto kept = with(optimizer, file, true);
  check_error<ag::DataError>(parts, [&](unsigned& line) {
    line = __LINE__ + 1;
    kept.init(objective, guess);
  });
}

}  // namespace

TEST_CASE("a run does not wait for a checkpoint that is a pipe") {
  const SharedFolder folder;
  const std::string file = folder.file("run");
  if (world().is_root()) REQUIRE(mkfifo(file.c_str(), 0600) == 0);
  world().synchronize();
  alarm(60);  // ends a reader that waits for a writer
  Noisy noisy;
  check_refuses(ag::Adam{.nsteps = 3}, noisy.objective, declared, file, {"'Not a regular file' on reading it"});
  alarm(0);
}

TEST_CASE("a checkpoint of another run is refused") {
  const SharedFolder folder;
  const std::string file = folder.file("run");
  Noisy noisy;
  const ag::Adam adam{.nsteps = 5, .learning_rate = 0.1, .randkey = 4};
  with(adam, file, false).minimize(noisy.objective, declared);
  const std::string start =
      "Adam: expected a checkpoint of this run in '" + file + "', got one of another run: expected ";
  const auto check_options = [&](auto change, const std::string& difference) {
    ag::Adam other = adam;
    change(other);
    check_refuses(other, noisy.objective, declared, file, {start + difference});
  };
  check_options([](ag::Adam& a) { a.beta1 = 0.5; }, "beta1 = 0.5, got beta1 = 0.9. Give the run what");
  check_options([](ag::Adam& a) { a.beta2 = 0.5; }, "beta2 = 0.5, got beta2 = 0.999.");
  check_options([](ag::Adam& a) { a.epsilon = 0.5; }, "epsilon = 0.5, got epsilon = 1e-08.");
  check_options([](ag::Adam& a) { a.learning_rate = 0.2; }, "learning_rate = 0.2, got learning_rate = 0.1.");
  check_options([](ag::Adam& a) { a.learning_rate = [](std::size_t) { return 0.1; }; },
                "learning_rate(0) = 0.1, got learning_rate = 0.1.");
  check_options([](ag::Adam& a) { a.randkey = 5; }, "word 1 of randkey = 5, got word 1 of randkey = 4.");
  check_options([](ag::Adam& a) { a.randkey.reset(); }, "presence of a randkey = 0, got presence of a randkey = 1.");
  check_options([](ag::Adam& a) { a.const_randkey = true; }, "const_randkey = 1, got const_randkey = 0.");

  const auto check_params = [&](std::size_t which, auto change, const std::string& difference) {
    ag::Params other = declared;
    change(other[which]);
    check_refuses(adam, noisy.objective, other, file, {start + difference});
  };
  check_params(
      0, [](ag::Param& p) { p.name = "w"; }, "parameters = w, y, z, got parameters = x, y, z.");
  check_params(
      0, [](ag::Param& p) { p.guess = -1.0; }, "guess of x = -1, got guess of x = -1.2.");
  check_params(
      0, [](ag::Param& p) { p.bounds.low = -2.0; }, "low bound of x = -2, got low bound of x = -3.");
  check_params(
      2, [](ag::Param& p) { p.bounds.high = 5.0; }, "high bound of z = 5, got high bound of z = inf.");
  check_params(
      0, [](ag::Param& p) { p.scale = 1.0; }, "scale of x = 1, got scale of x = 0.5.");
  check_params(
      1, [](ag::Param& p) { p.frozen = false; }, "frozen of y = 0, got frozen of y = 1.");
  Analytic smaller(2, rosenbrock);
  check_refuses(adam, smaller, {{"x", 1.0}, {"y", 1.0}}, file,
                {start + "parameters = x, y, got parameters = x, y, z."});

  check_refuses(ag::GradientDescent{.nsteps = 5, .learning_rate = 0.1, .randkey = 4}, noisy.objective, declared, file,
                {"GradientDescent: expected a checkpoint", "optimizer = GradientDescent, got optimizer = Adam."});
  check_refuses(ag::Lbfgsb{.randkey = 4}, noisy.objective, declared, file,
                {"optimizer = Lbfgsb, got optimizer = Adam"});
}

TEST_CASE("a checkpoint of another run of L-BFGS-B is refused") {
  const SharedFolder folder;
  const std::string file = folder.file("run");
  Noisy noisy;
  with(ag::Lbfgsb{}, file, false).minimize(noisy.objective, declared);
  check_refuses(ag::Lbfgsb{.ftol = 0.5}, noisy.objective, declared, file, {"expected ftol = 0.5, got ftol = 2.22"});
  check_refuses(ag::Lbfgsb{.gtol = 0.5}, noisy.objective, declared, file, {"expected gtol = 0.5, got gtol = 1e-05"});
  check_refuses(ag::Lbfgsb{.memory = 4}, noisy.objective, declared, file, {"expected memory = 4, got memory = 10"});
}

TEST_CASE("a checkpoint of a learning rate that is another function later is refused") {
  const SharedFolder folder;
  Noisy noisy;
  const auto decaying = [](double by) {
    return [by](std::size_t step) { return 0.1 * std::pow(by, static_cast<double>(step)); };
  };
  with(ag::Adam{.nsteps = 3, .learning_rate = decaying(0.5)}, folder.file("run"), false)
      .minimize(noisy.objective, declared);
  check_refuses(ag::Adam{.learning_rate = decaying(0.25)}, noisy.objective, declared, folder.file("run"),
                {"one of another run: expected learning_rate(2) = 0.00625, got 0.025. Give the run"});
}

TEST_CASE("a checkpoint of another objective is refused") {
  const SharedFolder folder;
  const auto tilted = [](double by, double curved) {
    return Analytic(2, [=](auto p, auto gradient) {
      const double loss = rosenbrock(p, gradient);
      gradient[0] += by;
      gradient[1] += curved;
      return loss + by * (p[0] + 1.2) + 0.5 * curved;
    });
  };
  Analytic objective = tilted(0.0, 0.0);
  const auto check = [&](const auto& optimizer) {
    const std::string file = folder.file("run");
    with(optimizer, file, false).minimize(objective, {-1.2, 1.0});
    Analytic other_loss = tilted(0.0, 0.5);
    check_refuses(optimizer, other_loss, {-1.2, 1.0}, file,
                  {"one of another objective: the loss at the guess is 24.4", " in the file. Give the run"});
    Analytic other_slope = tilted(0.5, 0.0);
    check_refuses(optimizer, other_slope, {-1.2, 1.0}, file,
                  {"one of another objective: the gradient by params[0] at the guess is -215.", " here and -215."});
  };
  check(ag::Adam{.nsteps = 3});
  check(ag::GradientDescent{.nsteps = 3, .learning_rate = 1e-4});
  check(ag::Lbfgsb{.maxsteps = 3});
}

TEST_CASE("a file that is damaged, cut off or something else is refused") {
  const SharedFolder folder;
  const std::string file = folder.file("run");
  Noisy noisy;
  const ag::Adam adam{.nsteps = 3, .learning_rate = 0.1};
  with(adam, file, false).minimize(noisy.objective, declared);
  const std::string whole = world().broadcast(world().is_root() ? content_of(file) : "", 0);
  REQUIRE(whole.size() > 200);
  const auto check = [&](const std::string& content, const std::string& part) {
    write(file, content);
    check_refuses(adam, noisy.objective, declared, file, {"Adam: expected a checkpoint of this run in '" + file, part});
  };
  check("", "got something else. Give the run");
  check("hello, world", "got something else.");
  check(whole.substr(0, 25), "got one that is cut off.");
  for (const std::size_t size : {40U, 100U}) check(whole.substr(0, size), "its checksum is wrong.");
  check(whole.substr(0, whole.size() - 1), "its checksum is wrong.");
  check(whole + "x", "its checksum is wrong.");
  for (std::size_t place = 27; place < whole.size(); place += 41) {
    std::string damaged = whole;
    damaged[place] = static_cast<char>(damaged[place] ^ 4);
    check(damaged, "its checksum is wrong.");
  }
  std::string newer = whole;
  newer[19] = 3;  // after "allgrad checkpoint\n"
  check(newer, "got one in version 3 of its format, where this allgrad reads version 2.");

  if (world().is_root()) {
    std::filesystem::remove(file);
    std::filesystem::create_directory(file);
  }
  world().synchronize();
  check_refuses(adam, noisy.objective, declared, file, {"got 'Is a directory' on reading it"});
}

}  // namespace test_checkpoints
