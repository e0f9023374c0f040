#pragma once

#include <string>

#include "allgrad/allgrad.hpp"

namespace benchmarks {

/// A graph that grows with `size`, its cost of compiling being what is measured.
struct Graph {
  allgrad::Expr params, loss;
};

/// `deep`, a number that `size` operations make one from the other; `deep_rows`, the same for each row; `indexed`,
/// `size` parameters that are taken one by one.
inline bool is_graph(const std::string& name) { return name == "deep" || name == "deep_rows" || name == "indexed"; }

inline Graph make_graph(const std::string& name, std::size_t size, const allgrad::Communicator& comm) {
  if (name == "indexed") {
    const auto params = allgrad::parameters(size);
    allgrad::Expr loss = allgrad::constant(0.0);
    for (std::size_t i = 0; i < size; ++i) loss += square(params[i] - 1.0);
    return {params, loss};
  }
  const auto params = allgrad::parameters(1);
  allgrad::Expr x = params[0];
  if (name == "deep_rows") x = x * allgrad::Table("rows", {{"x", {0.5, 1.0, 1.5}}}, comm)["x"];
  for (std::size_t i = 0; i < size; ++i) x = sin(x);
  return {params, name == "deep_rows" ? mean(x) : x};
}

}  // namespace benchmarks
