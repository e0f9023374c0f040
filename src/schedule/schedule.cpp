#include "schedule/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "allgrad/error.hpp"
#include "graph/collective_levels.hpp"
#include "graph/operator.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"
#include "schedule/registers.hpp"

namespace allgrad {

namespace {

bool is_per_row(const Expr& expr) { return expr.placement() == Placement::per_row; }

/// A value that is not per row, but computed from values that are: a sum over rows.
bool is_row_reduction(const Expr& expr) {
  return !is_per_row(expr) && std::ranges::any_of(expr.node()->operands, is_per_row);
}

/// What is computed between two levels of collectives: values known before the sweeps over rows, the sweeps (one per
/// table), values that need their results.
struct Level {
  std::vector<Expr> collectives, before, after;
  std::map<const RowAxis*, std::vector<Expr>> reductions;
  std::vector<std::shared_ptr<const RowAxis>> tables;  // in the order of first use
};

std::vector<Level> cut_into_levels(const std::vector<Expr>& order) {
  const auto number = collective_levels(order);
  std::vector<Level> levels;
  NodeSet after;  // values that need a sweep of their own level
  for (const Expr& expr : order) {
    const std::size_t n = number.at(expr.node());
    if (levels.size() <= n) levels.resize(n + 1);
    if (is_per_row(expr)) continue;
    if (expr.node()->op->is_collective()) {
      levels[n].collectives.push_back(expr);
    } else if (is_row_reduction(expr)) {
      const auto row_operand = std::ranges::find_if(expr.node()->operands, is_per_row);
      const auto rows = rows_of(row_operand->shape());
      if (!levels[n].reductions.contains(rows.get())) levels[n].tables.push_back(rows);
      levels[n].reductions[rows.get()].push_back(expr);
      after.insert(expr.node());
    } else {
      const bool needs_sweep = std::ranges::any_of(expr.node()->operands, [&](const Expr& operand) {
        return after.contains(operand.node()) && number.at(operand.node()) == n;
      });
      if (needs_sweep) after.insert(expr.node());
      (needs_sweep ? levels[n].after : levels[n].before).push_back(expr);
    }
  }
  return levels;
}

/// The values per row that reductions over rows need, in order of computation: not those, of this table or another,
/// that lie behind a value which is not per row and is known before the sweep.
std::vector<Expr> row_values_of(const std::vector<Expr>& reductions) {
  const std::vector<Expr> order = topological_order(reductions);
  NodeSet needed;
  const auto need_operands = [&needed](const Expr& expr) {
    for (const Expr& operand : expr.node()->operands) {
      if (is_per_row(operand)) needed.insert(operand.node());
    }
  };
  std::ranges::for_each(reductions, need_operands);
  for (auto expr = order.rbegin(); expr != order.rend(); ++expr) {
    if (needed.contains(expr->node())) need_operands(*expr);
  }
  std::vector<Expr> result;
  std::ranges::copy_if(order, std::back_inserter(result), [&](const Expr& e) { return needed.contains(e.node()); });
  return result;
}

/// Lowers nodes to instructions: dense ones to the step at hand, those of a row loop to its body.
class Builder final : public Lowering {
 public:
  explicit Builder(Schedule& schedule) : schedule_(schedule) {}

  void lower_dense(const Expr& expr) { dense_views_[expr.node()] = lower(expr); }

  void lower_row_loop(const std::shared_ptr<const RowAxis>& rows, const std::vector<Expr>& reductions) {
    RowLoop loop;
    loop.rows = rows;
    loop_ = &loop;
    for (const Expr& expr : row_values_of(reductions)) row_views_[expr.node()] = lower(expr);
    for (const Expr& expr : reductions) lower_dense(expr);
    loop_ = nullptr;
    row_views_ = {};
    loop.register_lanes = allocate_registers(schedule_.buffers, loop.instructions);
    finish_dense_step();
    schedule_.steps.emplace_back(std::move(loop));
  }

  void finish_dense_step() {
    if (!dense_.instructions.empty()) schedule_.steps.emplace_back(std::move(dense_));
    dense_ = {};
  }

  const View& view_of(const Expr& expr) const {
    return is_per_row(expr) ? row_views_.at(expr.node()) : dense_views_.at(expr.node());
  }

  const View& operand(std::size_t k) const override { return view_of(node_->operands[k]); }

  View allocate(const Shape& shape) override {
    const bool per_row = row_axis(shape).has_value();
    return add_buffer({per_row ? Buffer::Kind::tile : Buffer::Kind::dense, num_lanes(shape), per_row}, shape);
  }

  View external(const double* data, const Shape& shape) override {
    return add_buffer({Buffer::Kind::external, num_lanes(shape), row_axis(shape).has_value(), data}, shape);
  }

  View input(std::string_view name, const Shape& shape) override {
    return add_buffer({.kind = Buffer::Kind::input, .lanes = num_lanes(shape), .input = name}, shape);
  }

  View row_numbers(const Shape& shape) override {
    loop_->numbers_rows = true;
    return add_buffer({Buffer::Kind::row_numbers, 1, true}, shape);
  }

  void emit(Kernel kernel, const View& out, const std::vector<View>& inputs, const Shape& domain) override {
    if (num_lanes(domain) == 0) return;
    std::vector<Instruction>& instructions = row_axis(domain) ? loop_->instructions : dense_.instructions;
    instructions.push_back({kernel, out, inputs, lane_shape(domain)});
  }

  View message(const Shape& shape) override {
    return add_buffer({Buffer::Kind::message, num_lanes(shape), false}, shape);
  }

  void allreduce(const View& message) override {
    finish_dense_step();
    schedule_.steps.emplace_back(CollectiveStep{message.buffer});
  }

 private:
  View lower(const Expr& expr) {
    node_ = expr.node();
    return node_->op->lower(*node_, *this);
  }

  View add_buffer(Buffer buffer, const Shape& shape) {
    View view{schedule_.buffers.size(), 0, row_major_strides(lane_shape(shape))};
    schedule_.buffers.push_back(buffer);
    return view;
  }

  Schedule& schedule_;
  DenseStep dense_;
  RowLoop* loop_ = nullptr;
  const Node* node_ = nullptr;
  NodeMap<View> dense_views_, row_views_;
};

}  // namespace

Schedule make_schedule(const std::vector<Expr>& outputs) {
  Schedule schedule;
  schedule.graph = outputs;
  Builder builder(schedule);
  for (const Level& level : cut_into_levels(topological_order(outputs))) {
    for (const Expr& expr : level.collectives) builder.lower_dense(expr);
    for (const Expr& expr : level.before) builder.lower_dense(expr);
    for (const auto& rows : level.tables) builder.lower_row_loop(rows, level.reductions.at(rows.get()));
    for (const Expr& expr : level.after) builder.lower_dense(expr);
  }
  builder.finish_dense_step();
  for (const Expr& output : outputs) {
    if (is_per_row(output)) throw InternalError("an output that is per row cannot be scheduled");
    schedule.results.push_back({builder.view_of(output), lane_shape(output.shape())});
  }
  return schedule;
}

}  // namespace allgrad
