#include "compile/stages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "graph/traversal.hpp"
#include "graph/verify.hpp"

namespace allgrad {

namespace {

#ifdef NDEBUG
constexpr bool verifies = false;
#else
constexpr bool verifies = true;
#endif

std::size_t num_nodes(const std::vector<Expr>& outputs) {
  std::size_t count = 0;
  for_each_node(outputs, [&](const Expr&) { ++count; });
  return count;
}

}  // namespace

Stages::Stages(NamedOutputs built, Dump& dump) : graph_(std::move(built)), dump_(dump) {
  if (dump_.is_wanted()) dump_.add("built", fmt::format("{:>7} nodes", num_nodes(exprs_of(graph_))), graph_);
}

void Stages::apply(std::string_view name, const Pass& pass) {
  const std::vector<Expr> before = exprs_of(graph_);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Expr> after = pass(before);
  const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;

  const auto same = [](const Expr& a, const Expr& b) { return a.node() == b.node(); };
  const bool changed = !std::ranges::equal(before, after, same);
  for (std::size_t i = 0; i < after.size(); ++i) graph_[i].second = after[i];
  if (dump_.is_wanted()) {
    const std::string nodes = changed ? fmt::format("{:>7} nodes -> {:>7}", num_nodes(before), num_nodes(after))
                                      : fmt::format("{:>7} nodes, unchanged", num_nodes(before));
    const std::string remark = fmt::format("{:<24} {:>9.0f} us", nodes, time.count());
    changed ? dump_.add(name, remark, graph_) : dump_.add(name, remark);
  }
  if (verifies && (changed || !is_verified_)) verify(after, name);  // dumped before, to be looked at
  is_verified_ = true;
}

}  // namespace allgrad
