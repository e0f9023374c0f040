#include "graph/verify.hpp"

#include <fmt/format.h>

#include "allgrad/error.hpp"
#include "graph/operator.hpp"
#include "graph/placement.hpp"
#include "graph/text.hpp"

namespace allgrad {

void verify(const Graph& graph, std::string_view pass) {
  for (const Expr& expr : graph.nodes()) {
    const Node& node = *expr.node();
    const auto fail = [&](std::string_view what) {
      throw InternalError(fmt::format("the pass \"{}\" left a graph in which {}: {} from {}", pass, what,
                                      describe(node), node.where.str()));
    };
    const Shape shape = node.op->infer_shape(node.operands);
    if (shape != node.shape) fail("a shape is wrong");
    if (node.op->infer_placement(node.operands, shape) != node.placement) fail("a placement is wrong");
    if (needs_totals(node)) fail("a share is used as a total");
  }
}

}  // namespace allgrad
