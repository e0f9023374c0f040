#include "schedule/row_loops.hpp"

#include "schedule/keep_rows.hpp"
#include "schedule/regions.hpp"

namespace allgrad {

RowLoops row_loops_of(const std::vector<Expr>& outputs) {
  RowLoops loops;
  Replacements kept;
  keep_rows(outputs, kept);
  NodeMap<std::size_t> loop_of;  // of the nodes that are scheduled
  for (const Region& region : cut_into_regions(replaced(outputs, kept))) {
    for (const RowRegion& sweep : region.sweeps) {
      for (const Expr& expr : sweep.nodes) loop_of.emplace(expr.node(), loops.tables.size());
      loops.tables.push_back(sweep.rows->table);
    }
  }
  for_each_node(outputs, [&](const Expr& expr) {
    const auto loop = loop_of.find(replaced(expr, kept).node());
    if (loop != loop_of.end()) loops.loop_of.emplace(expr.node(), loop->second);
  });
  return loops;
}

}  // namespace allgrad
