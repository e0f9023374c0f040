// Graphs as DOT and as text, whatever names the user gave: Graphviz draws them, and the text has a line for each node.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "allgrad/allgrad.hpp"
#include "base/utf8.hpp"
#include "check_error.hpp"
#include "evaluation.hpp"
#include "passes/common_subexpressions.hpp"
#include "schedule/row_loops.hpp"

namespace test_dot {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

bool graphviz_is_there() { return std::system("dot -V >/dev/null 2>&1") == 0; }

/// What `dot -Tsvg` writes, its complaints in front.
std::string render(const std::string& dot) {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("allgrad_dot_{}.dot", getpid());
  std::ofstream(path) << dot;
  FILE* pipe = popen(fmt::format("dot -Tsvg {} 2>&1", path.string()).c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  char buffer[4096];
  while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, count);
  CHECK(pclose(pipe) == 0);
  std::filesystem::remove(path);
  return text;
}

/// A graph with the name for its table, its column and its output.
ag::NamedOutputs named(const std::string& name) {
  const ag::Table table(name, {{name, xt::xarray<double>{1.0, 2.0}}}, self());
  return {{name, sum(table[name]) * 2.0}};
}

std::string dot_of(const ag::NamedOutputs& outputs) { return ag::to_dot(outputs, ag::row_loops_of(exprs_of(outputs))); }

/// A name, and how it is drawn in an SVG.
using Drawn = std::pair<std::string, std::string>;

const std::vector<Drawn> names = {
    {"log_mass", "log_mass"},
    {"a\\Nb\\nc\\\\d\\", "a\\Nb\\nc\\\\d\\"},
    {"<i>&amp;\"'{|}", "&lt;i&gt;&amp;amp;&quot;&#39;{|}"},
    {"\t", "\u2409"},
    {"a\nb\r\x01\x7f", "a\u240ab\u240d\u2401\u2421"},
    {std::string("a\0b", 3), "a\u2400b"},
    {"Stra\xdf"
     "e",
     "Stra\u00dfe"},  // Latin-1
    {"M\u2299 \U0001f30c", "M\u2299 \U0001f30c"},
    {"\xc2\x9b\xed\xa0\x80\x80", "\ufffd\u00ed\u00a0\ufffd\ufffd"},
    {" ", ""},
    {"", ""},
    {std::string(20000, 'x'), std::string(59, 'x') + "\u2026"},
    {[] {
       std::string text;
       for (int i = 0; i < 10000; ++i) text += "\u00e9";
       return text;
     }(),
     "\u00e9\u00e9\u00e9\u2026"},
};

Expr mass_function(const Expr& mass) {
  const auto doubled = [](const Expr& x) { return x * 2.0; };
  const Expr low = sinh(mass);
  return sum(exp(doubled(low)));
}

Expr sumstats(const Expr& mass) { return log(mass_function(mass)) + sum(tanh(mass)); }

Expr sinh_elsewhere(const Expr& mass) { return sinh(mass); }

/// The statements in each box of that name, one after the other.
std::vector<std::string> boxes_of(const std::string& dot, const std::string& name) {
  std::vector<std::string> boxes;
  for (std::size_t at = dot.find("label=<" + name + ">"); at != std::string::npos;
       at = dot.find("label=<" + name + ">", at + 1)) {
    boxes.push_back(dot.substr(at, dot.find("}\n", at) - at));
  }
  return boxes;
}

bool has(const std::string& box, const std::string& op) { return box.find("<b>" + op + "</b>") != std::string::npos; }

}  // namespace

TEST_CASE("nodes are boxed by the function that made them, in their loop or outside") {
  const ag::Table table("halos", {{"mass", xt::xarray<double>{1.0, 2.0}}}, self());
  const Expr mass = table["mass"];
  const std::string dot = dot_of({{"loss", sumstats(mass)}});
  INFO(dot);
  const auto of_mass_function = boxes_of(dot, "mass_function"), of_sumstats = boxes_of(dot, "sumstats");
  REQUIRE(of_mass_function.size() == 1);
  for (const std::string op : {"sinh", "multiply", "exp", "sum"}) {
    INFO(op);
    CHECK(has(of_mass_function[0], op));
  }
  CHECK_FALSE(has(of_mass_function[0], "tanh"));
  CHECK_FALSE(has(of_mass_function[0], "mass"));
  CHECK(dot.find("_function0") == std::string::npos);  // one node of this function's takes no box
  REQUIRE(of_sumstats.size() == 2);                    // in the loop, and outside
  CHECK(has(of_sumstats[0], "tanh"));
  CHECK(has(of_sumstats[1], "log"));
  CHECK(of_sumstats[1].find("function") == std::string::npos);
  CHECK(dot.find("cluster_sweep0_function") < dot.find("cluster_dense_function"));
  if (graphviz_is_there()) check_parts(render(dot), {">mass_function</text>", ">sumstats</text>"});
}

TEST_CASE("a graph that is made in one function has no boxes of functions") {
  const ag::Table table("halos", {{"mass", xt::xarray<double>{1.0, 2.0}}}, self());
  const Expr mass = table["mass"];
  const std::string dot = dot_of({{"loss", sum(exp(mass))}});
  CHECK(dot.find("_function") == std::string::npos);
}

TEST_CASE("what is computed twice is shared whatever function it stands in") {
  const ag::Table table("halos", {{"mass", xt::xarray<double>{1.0, 2.0}}}, self());
  const Expr mass = table["mass"];
  const auto shared = ag::common_subexpressions({mass_function(mass), sum(sinh_elsewhere(mass))});
  const Expr low = shared[0].node()->operands[0].node()->operands[0].node()->operands[0];
  CHECK(low.node() == shared[1].node()->operands[0].node());
}

TEST_CASE("Graphviz draws names as they are") {
  if (!graphviz_is_there()) {
    WARN("Graphviz is not installed");
    return;
  }
  for (const auto& [name, drawn] : names) {
    const std::string svg = render(dot_of(named(name)));
    INFO(name.substr(0, 40) << "\n" << svg);
    CHECK(svg.starts_with("<?xml"));
    CHECK(svg.find("syntax error") == std::string::npos);
    CHECK(svg.find(drawn + "</text>") != std::string::npos);
    CHECK(svg.find("sweep 1 over the rows of " + drawn.substr(0, 3)) != std::string::npos);
  }
}

TEST_CASE("Graphviz draws a node without a line, and one of many operands") {
  if (!graphviz_is_there()) {
    WARN("Graphviz is not installed");
    return;
  }
  const Expr nowhere = ag::make_node(ag::parameters(2).node()->op, {}, {});
  const Expr many = ag::concatenate(std::vector<Expr>(3000, ag::constant(xt::xarray<double>{0.123456789})));
  const std::string svg = render(ag::to_dot({{"loss", sum(nowhere)}, {"many", many}}));
  INFO(svg);
  CHECK(svg.starts_with("<?xml"));
}

TEST_CASE("the text form has one line for each node, of UTF-8 without control characters") {
  for (const auto& [name, drawn] : names) {
    const std::string text = ag::to_text(named(name));
    INFO(text);
    CHECK(std::ranges::count(text, '\n') == 5);
    CHECK(std::ranges::none_of(text, [](char c) { return (c >= 0 && c < ' ' && c != '\n') || c == '\x7f'; }));
    CHECK(ag::printable(text.substr(0, text.find('\n'))) == text.substr(0, text.find('\n')));
  }
}

TEST_CASE("texts are cut between characters") {
  CHECK(ag::shortened("abc", 3) == "abc");
  CHECK(ag::shortened("abcd", 3) == "ab\u2026");
  CHECK(ag::shortened("\u00e9\u00e9\u00e9", 3) == "\u00e9\u00e9\u00e9");
  CHECK(ag::shortened("\u00e9\u00e9\u00e9\u00e9", 3) == "\u00e9\u00e9\u2026");
}

}  // namespace test_dot
