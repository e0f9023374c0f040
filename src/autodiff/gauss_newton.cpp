#include "autodiff/gauss_newton.hpp"

#include <fmt/format.h>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "autodiff/gradient.hpp"
#include "autodiff/tangents.hpp"
#include "dsl/elementwise.hpp"
#include "dsl/input.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

bool is_squared(const Expr& expr) {
  if (expr.placement() != Placement::replicated) return false;
  const auto kernel = kernel_of(expr);
  return kernel == Kernel::square || (kernel == Kernel::multiply && operand(expr, 0).node() == operand(expr, 1).node());
}

/// The first values on each way down from the output that it is to be cut at.
std::vector<Expr> cuts(const Expr& output, const Expr& statistics, const Expr& params) {
  const auto depends =
      dependents(topological_order({&output, 1}), [&](const Expr& expr) { return expr.node() == params.node(); });
  std::vector<Expr> found, path{output};
  NodeSet entered, is_cut;
  const auto cut = [&](const Expr& expr) {
    if (is_cut.insert(expr.node())) found.push_back(expr);
  };
  while (!path.empty()) {
    const Expr expr = path.back();
    path.pop_back();
    if (!depends.contains(expr.node()) || !entered.insert(expr.node())) continue;
    if (!statistics.empty() && expr.node() == statistics.node()) {
      cut(expr);
    } else if (is_squared(expr)) {
      cut(expr.node()->operands[0]);
    } else {
      path.insert(path.end(), expr.node()->operands.begin(), expr.node()->operands.end());
    }
  }
  return found;
}

Expr put(const Expr& expr, Replacements replacements) {
  for_each_node({&expr, 1}, [&](const Expr& node) { rebuild(node, replacements); });
  return replaced(expr, replacements);
}

/// The sum over all elements of c of a [..., n] times b [..., n]: [n, n].
Expr contracted(const Expr& a, const Expr& b) {
  Expr product = chain(expand_dims(a, a.ndim()), expand_dims(b, b.ndim() - 1));
  while (product.ndim() > 2) product = sum(product, 0);
  return product;
}

}  // namespace

Expr gauss_newton(const Expr& output, const Expr& statistics, const Expr& params, const std::vector<bool>& frozen) {
  const NodeOrigin origin(output.node()->where, true);
  const std::vector<Expr> values = cuts(output, statistics, params);
  std::vector<Expr> held;
  Replacements hold, release;
  for (const Expr& value : values) {
    const std::string name = fmt::format("held {}", held.size());
    held.push_back(make_node(std::make_shared<const Input>(name, value.shape()), {}, {}));
    hold.emplace(value.node(), held.back());
    release.emplace(held.back().node(), value);
  }
  const Expr of_held = put(output, hold);
  const auto second = [&](const Expr& first) { return jacobian(put(first, release), params, frozen); };
  Expr result = second(gradient(of_held, params, frozen));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Expr by_value = second(gradient(of_held, held[i]));
    result = result + contracted(jacobian(values[i], params, frozen), by_value);
  }
  return result;
}

}  // namespace allgrad
