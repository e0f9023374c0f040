#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "compile/dump.hpp"
#include "graph/graph.hpp"
#include "graph/text.hpp"

namespace allgrad {

/// A graph on its way through the passes. Each pass is timed, what it changed is dumped, and in debug builds verified.
class Stages {
 public:
  using Pass = std::function<std::vector<Expr>(const Graph&)>;

  Stages(NamedOutputs built, Dump& dump);

  const NamedOutputs& outputs() const { return outputs_; }

  void apply(std::string_view name, const Pass& pass);

 private:
  NamedOutputs outputs_;
  Graph graph_;  // of these
  Dump& dump_;
  bool is_verified_ = false;  // what was built is not, and lacks totals yet
};

}  // namespace allgrad
