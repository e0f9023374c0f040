#pragma once

// Small graphs, and how tests of passes look at what becomes of them.

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "evaluation.hpp"
#include "graph/operator.hpp"
#include "graph/text.hpp"
#include "graph/traversal.hpp"

namespace allgrad::testing {

/// What small graphs are built of.
struct SmallInputs {
  Table halos = deal("halos", {{"x", noise_column(4, 1)}, {"w", noise_column(4, 2)}}, all_on_first, self());
  Table galaxies = deal("galaxies", {{"x", noise_column(3, 3)}}, all_on_first, self());
  Expr params = parameters(2);
  Expr x = halos["x"], w = halos["w"];
};

/// An empty line, and the operations of a graph, one per line, without shapes, placements and source lines.
inline std::string operations(const std::vector<Expr>& outputs) {
  NamedOutputs named;
  for (std::size_t i = 0; i < outputs.size(); ++i) named.emplace_back(fmt::format("out{}", i), outputs[i]);
  std::istringstream lines(to_text(named));
  std::string text = "\n";
  for (std::string line; std::getline(lines, line);) {
    const auto end = line.find(") ");
    text += (end == std::string::npos ? line : line.substr(0, end + 1)) + '\n';
  }
  return text;
}

/// How often an operation is in a graph.
inline std::size_t count(const std::vector<Expr>& outputs, std::string_view name) {
  const auto order = topological_order(outputs);
  return static_cast<std::size_t>(
      std::ranges::count_if(order, [&](const Expr& e) { return e.node()->op->name() == name; }));
}

}  // namespace allgrad::testing
