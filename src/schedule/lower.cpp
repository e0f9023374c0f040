#include "schedule/lower.hpp"

#include <algorithm>

#include "allgrad/error.hpp"
#include "dsl/kernel_id.hpp"
#include "graph/operator.hpp"
#include "graph/shape.hpp"

namespace allgrad {

namespace {

/// Axes of one lane say nothing: without them, views that are the same look the same.
LaneLoop without_single_lanes(const std::vector<std::size_t>& extents, Instruction instruction) {
  LaneLoop loop;
  const auto drop = [&](View& view) {
    std::size_t kept = 0;
    for (std::size_t axis = 0; axis < extents.size(); ++axis) {
      if (extents[axis] != 1) view.strides[kept++] = view.strides[axis];
    }
    view.strides.resize(kept);
  };
  std::ranges::copy_if(extents, std::back_inserter(loop.extents), [](std::size_t extent) { return extent != 1; });
  drop(instruction.out);
  std::ranges::for_each(instruction.inputs, drop);
  loop.instructions.push_back(std::move(instruction));
  return loop;
}

/// Lowers nodes to instructions: dense ones to the step at hand, those of a sweep to its row loop.
class Builder final : public Lowering {
 public:
  explicit Builder(const Graph& graph) : graph_(graph), views_(graph.size()) {
    schedule_.graph = graph.outputs();
    schedule_.buffers.reserve(graph.size());
  }

  void lower_node(Graph::Number node) {
    number_ = node;
    node_ = graph_.nodes()[node].node();
    views_[node] = node_->op->lower(*node_, *this);
  }

  void lower_sweep(const RowRegion& sweep) {
    finish_dense_step();
    RowLoop loop;
    loop.rows = sweep.rows;
    loop.loops.reserve(sweep.nodes.size());
    loop_ = &loop;
    std::ranges::for_each(sweep.nodes, [this](Graph::Number node) { lower_node(node); });
    loop_ = nullptr;
    schedule_.steps.emplace_back(std::move(loop));
  }

  Schedule finish() {
    for (const Graph::Number number : graph_.output_numbers()) {
      const Expr& output = graph_.nodes()[number];
      if (is_per_row(output)) {
        throw InternalError("an output that is per row cannot be scheduled");
      }
      node_ = output.node();
      const View result = add_buffer({Buffer::Kind::result, num_lanes(output.shape())}, output.shape());
      emit(Kernel::copy, result, {views_[number]}, output.shape());
      schedule_.results.push_back(result.buffer);
    }
    finish_dense_step();
    return std::move(schedule_);
  }

  const View& operand(std::size_t k) const override { return views_[graph_.operands(number_)[k]]; }

  View allocate(const Shape& shape) override {
    const bool per_row = row_axis(shape).has_value();
    return add_buffer({per_row ? Buffer::Kind::row_value : Buffer::Kind::value, num_lanes(shape)}, shape);
  }

  View zeros(const Shape& shape) override {
    static constexpr double zero = 0.0;
    if (loop_ != nullptr && !row_axis(shape)) {
      const View sum = add_buffer({Buffer::Kind::accumulator, num_lanes(shape)}, shape);
      loop_->accumulators.push_back(sum.buffer);
      return sum;
    }
    const View out = allocate(shape);
    emit(Kernel::copy, out, {broadcast_view(external(&zero, {}), {}, shape)}, shape);
    return out;
  }

  View keep(const Shape& shape) override {
    return add_buffer({.kind = Buffer::Kind::kept, .lanes = num_lanes(shape), .rows = rows_of(shape)}, shape);
  }

  View keep_zeros(const Shape& shape) override {
    const View sums = keep(shape);
    loop_->accumulators.push_back(sums.buffer);
    return sums;
  }

  View kept(const View& memory, const Shape& shape) override {
    return add_buffer({.kind = Buffer::Kind::column, .lanes = num_lanes(shape), .kept_in = memory.buffer}, shape);
  }

  View external(const double* data, const Shape& shape) override {
    const bool per_row = row_axis(shape).has_value();
    return add_buffer({per_row ? Buffer::Kind::column : Buffer::Kind::constant, num_lanes(shape), data}, shape);
  }

  View streamed(RowStream& stream, std::size_t column, const Shape& shape) override {
    return add_buffer(
        {.kind = Buffer::Kind::streamed_column, .lanes = num_lanes(shape), .stream = &stream, .in_stream = column},
        shape);
  }

  View input(std::string_view name, const Shape& shape) override {
    return add_buffer({.kind = Buffer::Kind::input, .lanes = num_lanes(shape), .input = name}, shape);
  }

  View row_numbers(const Shape& shape) override {
    loop_->numbers_rows = true;
    return add_buffer({Buffer::Kind::row_numbers, 1}, shape);
  }

  void emit(Kernel kernel, const View& out, const std::vector<View>& inputs, const Shape& domain) override {
    add_instruction({kernel, false, out, inputs, node_}, domain);
  }

  void emit_add(Kernel kernel, const View& out, const std::vector<View>& inputs, const Shape& domain) override {
    add_instruction({kernel, true, out, inputs, node_}, domain);
  }

  void emit_call(const View& out) override {
    if (schedule_.buffers[out.buffer].lanes == 0) return;
    Instruction instruction{Kernel::call, false, out, {}, node_};
    for (std::size_t k = 0; k < node_->operands.size(); ++k) instruction.inputs.push_back(operand(k));
    (loop_ != nullptr ? loop_->loops : dense_.loops).push_back({{}, {std::move(instruction)}});
  }

  View message(const Shape& shape) override { return add_buffer({Buffer::Kind::message, num_lanes(shape)}, shape); }

  void allreduce(const View& message) override {
    finish_dense_step();
    schedule_.steps.emplace_back(CollectiveStep{message.buffer, node_});
  }

 private:
  void add_instruction(Instruction instruction, const Shape& domain) {
    if (num_lanes(domain) == 0) return;
    std::vector<LaneLoop>& loops = row_axis(domain) ? loop_->loops : dense_.loops;
    loops.push_back(without_single_lanes(lane_shape(domain), std::move(instruction)));
  }

  void finish_dense_step() {
    if (!dense_.loops.empty()) schedule_.steps.emplace_back(std::move(dense_));
    dense_ = {};
  }

  View add_buffer(Buffer buffer, const Shape& shape) {
    View view{schedule_.buffers.size(), 0, row_major_strides(lane_shape(shape))};
    schedule_.buffers.push_back(buffer);
    return view;
  }

  Schedule schedule_;
  DenseStep dense_;
  RowLoop* loop_ = nullptr;
  const Graph& graph_;
  Graph::Number number_ = 0;  // of the node at hand
  const Node* node_ = nullptr;
  std::vector<View> views_;  // by number of nodes; of a value per row, in the sweep at hand
};

}  // namespace

Schedule lower(const std::vector<Region>& regions, const Graph& graph) {
  Builder builder(graph);
  for (const Region& region : regions) {
    for (const Graph::Number node : region.dense) builder.lower_node(node);
    for (const RowRegion& sweep : region.sweeps) builder.lower_sweep(sweep);
    for (const Graph::Number node : region.collectives) builder.lower_node(node);
  }
  return builder.finish();
}

}  // namespace allgrad
