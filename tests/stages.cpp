// What happens around each pass: it is verified, and what it made is dumped before.
#include "compile/stages.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "allgrad/error.hpp"
#include "catch.hpp"
#include "compile/pipeline.hpp"
#include "evaluation.hpp"

namespace test_stages {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

std::vector<Expr> unchanged(const ag::Graph& graph) { return graph.outputs(); }

/// A pass that makes a vector of a number.
std::vector<Expr> breaks(const ag::Graph& graph) {
  const ag::Node& node = *graph.outputs()[0].node();
  return {Expr(std::make_shared<const ag::Node>(node.op, node.operands, std::make_shared<const ag::Shape>(ag::Shape{3}),
                                                node.placement, node.where, node.backward))};
}

std::string message_of(ag::Stages& stages, std::string_view name, const ag::Stages::Pass& pass) {
  try {
    stages.apply(name, pass);
  } catch (const ag::InternalError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

#ifndef NDEBUG
TEST_CASE("the verifier runs after each pass that changed something, and after the first in any case") {
  const Expr loss = sum(square(ag::parameters(2)));
  ag::Dump nowhere;
  ag::Stages stages({{"loss", loss}}, nowhere);
  CHECK(message_of(stages, "a good pass", unchanged) == "nothing was thrown");
  CHECK(message_of(stages, "a bad pass", breaks).find("\"a bad pass\" left a graph in which a shape is wrong") !=
        std::string::npos);
  ag::Stages broken({{"loss", breaks({loss})[0]}}, nowhere);
  CHECK(message_of(broken, "the first", unchanged).find("\"the first\" left") != std::string::npos);
}
#endif

TEST_CASE("what a pass made can be looked at, also where it is broken") {
  const auto base = std::filesystem::temp_directory_path() / fmt::format("allgrad_stages_{}", getpid());
  setenv("ALLGRAD_DUMP", base.c_str(), 1);
  ag::Dump dump(self(), 7, "loss, gradient");
  unsetenv("ALLGRAD_DUMP");
  REQUIRE(dump.is_on());
  ag::Stages stages({{"loss", sum(square(ag::parameters(2)))}}, dump);
  message_of(stages, "a good pass", unchanged);
  message_of(stages, "a bad pass", breaks);
  dump.add("schedule", "2 steps", "step 1");

  const auto folder = base / fmt::format("communicator-{:x}-model-7-loss-gradient", self().id());
  CHECK(read(folder / "00-built.txt").find("[] ") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder / "01-a-good-pass.txt"));
  CHECK(read(folder / "02-a-bad-pass.txt").find("[3] ") != std::string::npos);
  CHECK(read(folder / "02-a-bad-pass.dot").find("digraph") == 0);
  CHECK(read(folder / "03-schedule.txt") == "step 1");
  const std::string index = read(folder / "index.txt");
  CHECK(index.find("01 a good pass                    3 nodes, unchanged") != std::string::npos);
  CHECK(index.find("02 a bad pass                     3 nodes ->       3 ") != std::string::npos);
  CHECK(index.find("03 schedule                 2 steps\n") != std::string::npos);
  std::filesystem::remove_all(base);
}

TEST_CASE("an aux value may be called as an output is") {
  const Expr params = ag::parameters(1);
  const Expr loss = square(params[0]);
  ag::CompiledGraph graph = ag::compile({loss, {{"gradient", 3.0 * loss}, {"loss", 2.0 * loss}}}, params, self());
  std::vector<double> gradient(1);
  ag::AuxValues aux;
  CHECK(graph.value_and_gradient(std::vector{5.0}, gradient, {.aux = &aux}) == 25.0);
  CHECK(gradient[0] == 10.0);
  CHECK(aux["gradient"]() == 75.0);
  CHECK(aux["loss"]() == 50.0);
}

}  // namespace test_stages
