// stop_gradient: [..] -> [..], a constant to the differentiation. Executed as a view.
#include "dsl/stop_gradient.hpp"

#include "allgrad/arrays.hpp"
#include "graph/node.hpp"

namespace allgrad {

Expr stop_gradient(const Operand& x) {
  return make_node(std::make_shared<const StopGradient>(), {x.expr()}, x.where());
}

}  // namespace allgrad
