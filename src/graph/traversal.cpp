#include "graph/traversal.hpp"

#include <algorithm>

namespace allgrad {

namespace {

template <class Visit>
void depth_first(std::span<const Expr> outputs, Visit visit) {
  struct Entered {
    const Expr* expr;
    const Expr *next, *end;  // of its operands, those to visit
  };
  std::vector<Entered> path;  // no recursion, graphs are deep
  NodeSet entered;
  const auto go_to = [&](const Expr& expr) {
    if (!entered.insert(expr.node())) return;
    const std::vector<Expr>& operands = expr.node()->operands;
    path.push_back({&expr, operands.data(), operands.data() + operands.size()});
  };
  for (const Expr& output : outputs) {
    go_to(output);
    while (!path.empty()) {
      if (path.back().next != path.back().end) {
        go_to(*path.back().next++);
      } else {
        visit(*path.back().expr);
        path.pop_back();
      }
    }
  }
}

}  // namespace

std::vector<Expr> topological_order(std::span<const Expr> outputs) {
  std::vector<Expr> order;
  depth_first(outputs, [&](const Expr& expr) { order.push_back(expr); });
  return order;
}

void for_each_node(std::span<const Expr> outputs, const std::function<void(const Expr&)>& visit) {
  depth_first(outputs, visit);
}

bool any_node(const Graph& graph, const std::function<bool(const Expr&)>& has_property) {
  return std::ranges::any_of(graph.nodes(), has_property);
}

NodeSet dependents(std::span<const Expr> order, const std::function<bool(const Expr&)>& is_input,
                   const std::function<bool(const Expr&)>& ignored) {
  NodeSet result;
  for (const Expr& expr : order) {
    if (ignored && ignored(expr)) continue;
    const auto& operands = expr.node()->operands;
    const bool depends = std::ranges::any_of(operands, [&](const Expr& e) { return result.contains(e.node()); });
    if (depends || is_input(expr)) result.insert(expr.node());
  }
  return result;
}

const Expr& replaced(const Expr& expr, const Replacements& replacements) {
  const auto found = replacements.find(expr.node());
  return found == replacements.end() ? expr : found->second;
}

std::vector<Expr> replaced(std::span<const Expr> exprs, const Replacements& replacements) {
  std::vector<Expr> result;
  for (const Expr& expr : exprs) result.push_back(replaced(expr, replacements));
  return result;
}

void rebuild(const Expr& expr, Replacements& replacements) {
  const std::vector<Expr>& operands = expr.node()->operands;
  const auto is_replaced = [&](const Expr& operand) { return replacements.contains(operand.node()); };
  if (replacements.contains(expr.node()) || std::ranges::none_of(operands, is_replaced)) return;
  replacements.emplace(expr.node(), with_operands(expr, replaced(operands, replacements)));
}

Expr NewNodes::with_new_operands(std::size_t node) const {
  const auto numbers = graph_.operands(node);
  const auto stays = [&](Graph::Number operand) { return nodes_[operand].empty(); };
  if (std::ranges::all_of(numbers, stays)) return graph_.nodes()[node];
  std::vector<Expr> operands;
  operands.reserve(numbers.size());
  for (const Graph::Number operand : numbers) operands.push_back((*this)[operand]);
  return with_operands(graph_.nodes()[node], std::move(operands));
}

void NewNodes::rebuild() {
  for (std::size_t i = 0; i < graph_.size(); ++i) {
    if (nodes_[i].empty()) set(i, with_new_operands(i));
  }
}

std::vector<Expr> NewNodes::outputs() const {
  std::vector<Expr> result;
  for (const Graph::Number output : graph_.output_numbers()) result.push_back((*this)[output]);
  return result;
}

std::vector<Expr> rewrite(const Graph& graph, const std::function<Expr(const Expr&)>& step) {
  return rewrite(graph, [&step](const Expr& now, const Expr&) { return step(now); });
}

std::vector<Expr> rewrite(const Graph& graph, const std::function<Expr(const Expr&, const Expr&)>& step) {
  NewNodes now(graph);
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const Expr& before = graph.nodes()[i];
    const NodeOrigin origin(before.node()->where, before.node()->backward);
    now.set(i, step(now.with_new_operands(i), before));
  }
  return now.outputs();
}

}  // namespace allgrad
