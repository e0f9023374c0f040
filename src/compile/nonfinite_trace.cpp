#include "compile/nonfinite_trace.hpp"

#include <algorithm>

#include "allgrad/elementwise.hpp"
#include "autodiff/gradient.hpp"
#include "dsl/collectives.hpp"
#include "dsl/slice.hpp"
#include "dsl/sum.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"
#include "passes/cancel_shares.hpp"
#include "passes/insert_allreduce.hpp"

namespace allgrad {

namespace {

bool same_rows(const Expr& a, const Expr& b) { return rows_of(a.shape()) == rows_of(b.shape()); }

Expr sum_all(const Expr& value) {
  std::vector<std::size_t> axes;
  for (std::size_t axis = 0; axis < value.ndim(); ++axis) axes.push_back(axis);
  return sum_over(value, std::move(axes), value.node()->where);
}

/// How many rows, or ranks with a value of their own, a mask is 1 for.
Expr count(const Expr& mask) {
  const Expr own = mask.placement() == Placement::per_rank ? as_placement(mask, Placement::partial) : mask;
  return sum_all(own);
}

using Users = std::vector<std::vector<std::size_t>>;

Users users_of(const std::vector<TracedValue>& values) {
  Users users(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (const std::size_t operand : values[i].from) users[operand].push_back(i);
  }
  return users;
}

/// Masks of the traced values, each [rows] or [].
struct Masks {
  std::vector<Expr> bad;     ///< not finite
  std::vector<Expr> blamed;  ///< per row: the last value may be not finite because of it
  std::vector<Expr> first;   ///< per row: blamed, with finite operands
};

/// Where a value per row is blamed: in a row in which a user is, or anywhere where it reaches other users than rows.
Expr blamed_rows(std::size_t i, const Masks& masks, const Users& users) {
  Expr by_users;
  for (const std::size_t user : users[i]) {
    if (!is_per_row(masks.bad[user]) || !same_rows(masks.bad[user], masks.bad[i])) return masks.bad[i];
    by_users = by_users.empty() ? masks.blamed[user] : by_users || masks.blamed[user];
  }
  return masks.bad[i] && (by_users.empty() ? constant(0.0) : by_users);  // a step's derivative is used by nobody
}

Masks masks_of(const std::vector<TracedValue>& values, const Users& users) {
  Masks masks{.bad = {}, .blamed = std::vector<Expr>(values.size()), .first = std::vector<Expr>(values.size())};
  for (const TracedValue& value : values) masks.bad.push_back(has_nonfinite(value.value));
  for (std::size_t i = values.size(); i-- > 0;) {
    if (!is_per_row(masks.bad[i])) continue;
    masks.blamed[i] = blamed_rows(i, masks, users);
    masks.first[i] = masks.blamed[i];
    for (const std::size_t operand : values[i].from) {
      const Expr& bad = masks.bad[operand];
      if (!is_per_row(bad) || same_rows(bad, masks.bad[i])) masks.first[i] = masks.first[i] && !bad;
    }
  }
  return masks;
}

/// Of each value: where it is not finite, and per row where it is blamed and is the first to be.
std::vector<Expr> counts_of(const Masks& masks) {
  std::vector<Expr> counts;
  for (std::size_t i = 0; i < masks.bad.size(); ++i) {
    counts.push_back(count(masks.bad[i]));
    if (!is_per_row(masks.bad[i])) continue;
    counts.push_back(count(masks.blamed[i]));
    counts.push_back(count(masks.first[i]));
  }
  return counts;
}

}  // namespace

Expr has_nonfinite(const Expr& value) {
  const NodeOrigin origin(value.node()->where, value.node()->backward);
  std::vector<std::size_t> lanes;
  for (std::size_t axis = 0; axis < value.ndim(); ++axis) {
    if (!value.shape()[axis].is_rows()) lanes.push_back(axis);
  }
  return sum_over(isnan(value - value), std::move(lanes), value.node()->where) > 0.0;
}

std::vector<TracedValue> trace_loss(const Expr& loss) {
  std::vector<TracedValue> values;
  NodeMap<std::size_t> position;
  for (const Expr& expr : topological_order({&loss, 1})) {
    TracedValue value{.value = expr, .node = expr};
    for (const Expr& operand : expr.node()->operands) value.from.push_back(position.at(operand.node()));
    position.emplace(expr.node(), values.size());
    values.push_back(std::move(value));
  }
  return values;
}

std::vector<TracedValue> trace_gradient(const Expr& loss, const Expr& params, const std::vector<bool>& frozen) {
  std::vector<TracedValue> values = trace_loss(loss);
  NodeMap<std::size_t> position;
  for (std::size_t i = 0; i < values.size(); ++i) position.emplace(values[i].node.node(), i);
  NodeMap<std::vector<std::size_t>> contributions;  // to the cotangent of a node
  std::vector<Expr> backward;
  const auto trace = [&](const Expr& node, std::size_t k, const Expr& contribution) {
    TracedValue value{.value = {}, .node = node, .operand = k, .from = contributions[node.node()]};
    value.from.push_back(position.at(node.node()));
    for (const Expr& operand : node.node()->operands) value.from.push_back(position.at(operand.node()));
    contributions[node.node()->operands[k].node()].push_back(values.size());
    values.push_back(std::move(value));
    // Beside the padding of a slice's contribution there is nothing that could be not finite.
    const bool is_padded = as<PadAxis>(contribution) != nullptr;
    backward.push_back(is_padded ? contribution.node()->operands[0] : contribution);
  };
  const Expr result = gradient(loss, params, frozen, trace);
  backward.push_back(result);
  values.push_back({.value = {}, .node = params, .from = contributions[params.node()]});
  backward = cancel_shares(insert_allreduce(backward));
  const std::size_t first = values.size() - backward.size();
  for (std::size_t i = 0; i < backward.size(); ++i) values[first + i].value = backward[i];
  return values;
}

std::optional<FirstNonfinite> find_first(const std::vector<TracedValue>& values, const Compute& compute) {
  const Users users = users_of(values);
  Masks masks;
  const std::vector<std::vector<double>> numbers = compute([&] {
    masks = masks_of(values, users);
    return counts_of(masks);
  });

  struct Found {
    bool bad, blamed, first;
  };
  std::vector<Found> found;
  for (std::size_t i = 0, k = 0; i < values.size(); ++i) {
    const auto any = [&] { return numbers[k++][0] > 0.0; };
    const bool bad = any();
    const bool blamed = is_per_row(masks.bad[i]) ? any() : bad;
    const bool first =
        is_per_row(masks.bad[i])
            ? any()
            : bad && std::ranges::none_of(values[i].from, [&](std::size_t operand) { return found[operand].bad; });
    found.push_back({bad, blamed, first});
  }
  std::optional<std::size_t> origin;
  for (std::size_t i = values.size(); i-- > 0;) {
    const bool reached =
        i + 1 == values.size() || std::ranges::any_of(users[i], [&](std::size_t user) { return found[user].blamed; });
    found[i].blamed = found[i].blamed && reached;
    if (found[i].blamed && found[i].first) origin = i;
  }
  if (!origin) return {};
  return FirstNonfinite{*origin, masks.first[*origin]};
}

}  // namespace allgrad
