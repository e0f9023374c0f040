#include "autodiff/tangents.hpp"

#include <algorithm>
#include <map>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "autodiff/polynomials.hpp"
#include "autodiff/post_dominators.hpp"
#include "dsl/broadcast_to.hpp"
#include "dsl/collectives.hpp"
#include "dsl/concatenate.hpp"
#include "dsl/constant.hpp"
#include "dsl/elementwise.hpp"
#include "dsl/reshape.hpp"
#include "graph/graph.hpp"
#include "graph/node_map.hpp"
#include "graph/operator.hpp"

namespace allgrad {

namespace {

bool vanishes(const Expr& tangent) { return tangent.empty() || tangent.node()->op->is_zero(); }

Expr applied_to(const Expr& expr, std::vector<Expr> tangents) {
  for (std::size_t k = 0; k < tangents.size(); ++k) {
    if (tangents[k].empty()) tangents[k] = zeros(expr.node()->operands[k].shape());
  }
  return with_operands(expr, std::move(tangents));
}

/// One number per row as a factor of values of a shape.
Expr as_factor_of(const Shape& shape, const Expr& number_per_row) {
  Shape factor(shape.size(), Extent(1));
  factor[*row_axis(shape)] = number_per_row.shape()[0];
  return reshaped(number_per_row, factor);
}

/// Of which a sweep keeps the tangents of all nodes.
constexpr std::size_t most_directions = 64;

/// Tangents along several directions at once, from operands to users.
///
/// Where what several directions change goes on through one number per row alone, the tangents behind it are built
/// once, along a direction of its own, which changes the number by 1 in each row: a gate. Where the rows end, as in a
/// sum over them, such a tangent times those of the number are the tangents along the directions. (Hovland, Bischof,
/// Spiegelman, Casella 1997, SIAM J. Sci. Comput. 18, call it interface contraction.)
class Sweep {
 public:
  /// Nothing is asked of directions that are empty.
  Sweep(std::span<const Expr> values, const Expr& input, std::span<const Expr> directions);

  /// Empty where the value does not depend on the direction by structure.
  Expr tangent(const Expr& value, std::size_t direction) const;

 private:
  using Number = Graph::Number;

  struct Tangent {
    std::size_t along;  ///< the number of a direction, or behind them that of a gate
    Expr expr;
    Number meeting;  ///< of a value per row: from it on, the first one through which all goes that it stands for
  };
  using Tangents = std::vector<Tangent>;  // by `along`

  /// The tangents of a node's operands along one direction or gate.
  struct OfOperands {
    std::vector<Expr> exprs;
    Number meeting;
  };

  void visit(Number number);
  std::map<std::size_t, OfOperands> of_operands(Number number) const;
  void make_gate(Number number, Tangents& tangents);
  Tangents without_gates(const Tangents& tangents) const;
  bool changes(const Expr& expr) const { return known_.contains(expr.node()); }

  std::size_t num_directions_;
  Graph graph_;
  PostDominators ways_;
  Polynomials polynomials_;
  NodeMap<Tangents> known_;      // of nodes that depend on a direction
  std::vector<Tangents> gates_;  // those of the number per row, along directions
};

Sweep::Sweep(std::span<const Expr> values, const Expr& input, std::span<const Expr> directions)
    : num_directions_(directions.size()), graph_({values.begin(), values.end()}), ways_(graph_) {
  for (std::size_t i = 0; i < graph_.size(); ++i) {
    const auto number = static_cast<Number>(i);
    if (graph_.nodes()[i].node() != input.node()) {
      visit(number);
      continue;
    }
    Tangents given;
    for (std::size_t along = 0; along < directions.size(); ++along) {
      if (!directions[along].empty()) given.push_back({along, directions[along], ways_.next(number)});
    }
    if (!given.empty()) known_.emplace(input.node(), std::move(given));
  }
}

Expr Sweep::tangent(const Expr& value, std::size_t direction) const {
  if (!changes(value)) return {};
  for (const Tangent& tangent : without_gates(known_.at(value.node()))) {
    if (tangent.along == direction) return tangent.expr;
  }
  return {};
}

void Sweep::visit(Number number) {
  const Expr& expr = graph_.nodes()[number];
  const Node& node = *expr.node();
  const auto is_changed = [&](const Expr& operand) { return changes(operand); };
  if (std::ranges::none_of(node.operands, is_changed)) return;
  const NodeOrigin origin(node.where, true);
  polynomials_.add(expr, is_changed);
  const bool is_linear = node.op->linearity() == Linearity::jointly && as<Elementwise>(expr) == nullptr;
  Tangents tangents;
  const auto add = [&](std::size_t along, const Expr& tangent, Number meeting) {
    if (vanishes(tangent)) return;
    const Expr whole = folded(broadcast_to(tangent, expr.shape()));
    if (!vanishes(whole)) tangents.push_back({along, whole, ways_.not_before(number, meeting)});
  };
  if (const auto polynomial = polynomials_.find(expr)) {
    for (const Tangent& tangent : known_.at(polynomial->of.node())) {
      add(tangent.along, chain(tangent.expr, polynomial->derivative), tangent.meeting);
    }
  } else {
    for (auto& [along, of] : of_operands(number)) {
      add(along, is_linear ? applied_to(expr, of.exprs) : node.op->tangent(expr, of.exprs), of.meeting);
    }
  }
  if (is_per_row(expr) && expr.ndim() == 1) make_gate(number, tangents);
  if (!tangents.empty()) known_.emplace(&node, std::move(tangents));
}

std::map<std::size_t, Sweep::OfOperands> Sweep::of_operands(Number number) const {
  const std::span<const Number> operands = graph_.operands(number);
  const Expr& user = graph_.nodes()[number];
  std::map<std::size_t, OfOperands> result;
  for (std::size_t k = 0; k < operands.size(); ++k) {
    const Expr& operand = graph_.nodes()[operands[k]];
    if (!changes(operand)) continue;
    const bool per_row = is_per_row(operand);
    const bool ends_rows = per_row && !stays_in_rows(operand, user);
    const Tangents& known = known_.at(operand.node());
    for (const Tangent& tangent : ends_rows ? without_gates(known) : known) {
      const Number meeting = ends_rows ? number : per_row ? tangent.meeting : ways_.next(operands[k]);
      auto& of =
          result.try_emplace(tangent.along, OfOperands{std::vector<Expr>(operands.size()), meeting}).first->second;
      of.exprs[k] = tangent.expr;
      of.meeting = ways_.meeting(of.meeting, meeting);
    }
  }
  return result;
}

/// Where several of a number's tangents are those of what goes through it alone.
void Sweep::make_gate(Number number, Tangents& tangents) {
  Tangents through, others;
  for (const Tangent& tangent : tangents) {
    (tangent.meeting == number ? through : others).push_back(tangent);
  }
  if (through.size() < 2) return;
  tangents = std::move(others);
  const Expr ones = broadcast_to(constant(1.0), graph_.nodes()[number].shape());
  tangents.push_back({num_directions_ + gates_.size(), ones, ways_.next(number)});
  gates_.push_back(without_gates(through));
}

Sweep::Tangents Sweep::without_gates(const Tangents& tangents) const {
  std::map<std::size_t, Expr> sums;
  const auto add = [&](std::size_t along, const Expr& term) {
    Expr& sum = sums[along];
    sum = sum.empty() ? term : sum + term;
  };
  for (const Tangent& tangent : tangents) {
    if (tangent.along < num_directions_) {
      add(tangent.along, tangent.expr);
      continue;
    }
    for (const Tangent& of_number : gates_[tangent.along - num_directions_]) {
      const Expr factor = as_factor_of(tangent.expr.shape(), of_number.expr);
      const bool is_factor = factor.shape() == tangent.expr.shape() && uniform_value(unstretched(tangent.expr)) == 1.0;
      add(of_number.along, is_factor ? factor : chain(factor, tangent.expr));
    }
  }
  Tangents result;
  for (auto& [along, sum] : sums) result.push_back({along, std::move(sum), ways_.none()});
  return result;
}

}  // namespace

std::vector<Expr> tangents(std::span<const Expr> values, const Expr& input, const Expr& direction) {
  const Sweep sweep(values, input, {&direction, 1});
  std::vector<Expr> result;
  for (const Expr& value : values) result.push_back(sweep.tangent(value, 0));
  return result;
}

Expr jacobian(const Expr& value, const Expr& input, const std::vector<bool>& frozen) {
  const NodeOrigin origin(value.node()->where, true);
  const std::size_t size = input.shape()[0].length;
  Shape column_shape = value.shape();
  column_shape.emplace_back(1);
  const bool is_partial = value.placement() == Placement::partial;
  const Expr none = is_partial ? as_placement(zeros(value.shape()), Placement::partial) : zeros(value.shape());
  std::vector<Expr> columns;
  while (columns.size() < size) {
    std::vector<Expr> directions(std::min(size - columns.size(), most_directions));
    for (std::size_t k = 0; k < directions.size(); ++k) {
      const std::size_t i = columns.size() + k;
      if (!frozen.empty() && frozen[i]) continue;
      Array direction = xt::zeros<double>({size});
      direction(i) = 1.0;
      directions[k] = constant(std::move(direction));
    }
    const Sweep sweep({&value, 1}, input, directions);
    for (std::size_t k = 0; k < directions.size(); ++k) {
      const Expr column = sweep.tangent(value, k);
      columns.push_back(reshaped(column.empty() ? none : column, column_shape));
    }
  }
  return concatenate_axis(std::move(columns), value.ndim(), value.node()->where);
}

}  // namespace allgrad
