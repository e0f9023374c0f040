#include "schedule/row_loops.hpp"

#include "schedule/keep_rows.hpp"
#include "schedule/regions.hpp"

namespace allgrad {

RowLoops row_loops_of(const std::vector<Expr>& outputs) {
  RowLoops loops;
  const Graph graph(outputs);
  Replacements kept;
  keep_rows(graph, kept);
  const Graph scheduled(replaced(outputs, kept));
  NodeMap<std::size_t> loop_of;  // of the nodes that are scheduled
  for (const Region& region : cut_into_regions(scheduled)) {
    for (const RowRegion& sweep : region.sweeps) {
      for (const Graph::Number node : sweep.nodes) {
        loop_of.emplace(scheduled.nodes()[node].node(), loops.tables.size());
      }
      loops.tables.push_back(sweep.rows->table);
    }
  }
  for (const Expr& expr : graph.nodes()) {
    const auto loop = loop_of.find(replaced(expr, kept).node());
    if (loop != loop_of.end()) loops.loop_of.emplace(expr.node(), loop->second);
  }
  return loops;
}

}  // namespace allgrad
