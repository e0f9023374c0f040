#include "compile/stages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "graph/verify.hpp"

namespace allgrad {

namespace {

#ifdef NDEBUG
constexpr bool verifies = false;
#else
constexpr bool verifies = true;
#endif

}  // namespace

Stages::Stages(NamedOutputs built, Dump& dump) : outputs_(std::move(built)), graph_(exprs_of(outputs_)), dump_(dump) {
  if (dump_.is_wanted()) dump_.add("built", fmt::format("{:>7} nodes", graph_.size()), outputs_);
}

void Stages::apply(std::string_view name, const Pass& pass) {
  const std::size_t before = graph_.size();
  const auto start = std::chrono::steady_clock::now();
  std::vector<Expr> outputs = pass(graph_);
  const auto same = [](const Expr& a, const Expr& b) { return a.node() == b.node(); };
  const bool changed = !std::ranges::equal(graph_.outputs(), outputs, same);
  if (changed) {
    for (std::size_t i = 0; i < outputs.size(); ++i) outputs_[i].second = outputs[i];
    graph_ = Graph(std::move(outputs), before);
  }
  const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
  if (dump_.is_wanted()) {
    const std::string nodes = changed ? fmt::format("{:>7} nodes -> {:>7}", before, graph_.size())
                                      : fmt::format("{:>7} nodes, unchanged", before);
    const std::string remark = fmt::format("{:<24} {:>9.0f} us", nodes, time.count());
    changed ? dump_.add(name, remark, outputs_) : dump_.add(name, remark);
  }
  if (verifies && (changed || !is_verified_)) verify(graph_, name);  // dumped before, to be looked at
  is_verified_ = true;
}

}  // namespace allgrad
