#include "compile/explain.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "base/utf8.hpp"
#include "dsl/column.hpp"
#include "dsl/input.hpp"
#include "dsl/kernel_id.hpp"
#include "graph/operator.hpp"
#include "graph/placement.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

std::string bytes_text(std::size_t doubles) {
  const auto bytes = static_cast<double>(doubles * sizeof(double));
  return bytes < 1e4   ? fmt::format("{:.0f} bytes", bytes)
         : bytes < 1e7 ? fmt::format("{:.0f} kB", bytes / 1e3)
                       : fmt::format("{:.0f} MB", bytes / 1e6);
}

std::string plural(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

/// Writes the page.
class Explanation {
 public:
  Explanation(const NamedOutputs& graph, const BoundProgram& program, std::span<const double> seconds,
              const Communicator& comm)
      : graph_(graph), program_(program), seconds_(seconds), comm_(comm) {}

  std::string text() {
    total_ = std::accumulate(seconds_.begin(), seconds_.end(), 0.0);
    add_overview();
    for (std::size_t i = 0; i < program_.steps.size(); ++i) add_step(i);
    add_kept();
    add_unchanging();
    return std::move(text_);
  }

 private:
  template <class... T>
  void line(fmt::format_string<T...> format, T&&... arguments) {
    text_ += fmt::format(format, std::forward<T>(arguments)...) + '\n';
  }

  void add_overview() {
    std::vector<std::string> outputs;
    for (const auto& [name, expr] : graph_) outputs.push_back(fmt::format("{} {}", name, to_string(expr.shape())));
    line("{}", fmt::join(outputs, ", "));
    std::size_t messages = 0, numbers = 0;
    for (const auto& step : program_.schedule.steps) {
      const auto* collective = std::get_if<CollectiveStep>(&step);
      if (collective == nullptr) continue;
      ++messages;
      numbers += program_.schedule.buffers[collective->buffer].lanes;
    }
    line("{} of {} in all, on {}; {} kernels; {:.3g} ms on rank 0", plural(messages, "message"), bytes_text(numbers),
         plural(static_cast<std::size_t>(comm_.size()), "rank"), program_.kernels.instruction_set, 1e3 * total_);
  }

  std::string time_of(std::size_t step) const {
    if (seconds_.size() != program_.steps.size() || total_ == 0.0) return {};
    return fmt::format("{:9.3g} ms {:3.0f} %", 1e3 * seconds_[step], 100.0 * seconds_[step] / total_);
  }

  void add_step(std::size_t i) {
    const auto& step = program_.schedule.steps[i];
    if (const auto* collective = std::get_if<CollectiveStep>(&step)) {
      const std::size_t lanes = program_.schedule.buffers[collective->buffer].lanes;
      line("{}  sum over ranks of {} ({})", time_of(i), plural(lanes, "number"), bytes_text(lanes));
    } else if (const auto* dense = std::get_if<DenseStep>(&step)) {
      std::size_t count = 0;
      for (const LaneLoop& loop : dense->loops) count += loop.instructions.size();
      line("{}  {} on values that are not per row", time_of(i), plural(count, "instruction"));
    } else {
      add_rows(i, std::get<RowLoop>(step), std::get<BoundRowLoop>(program_.steps[i]));
    }
  }

  void add_rows(std::size_t i, const RowLoop& rows, const BoundRowLoop& bound) {
    const std::string blocks =
        bound.blocks.stream == nullptr ? "" : fmt::format(" read in blocks of {} rows,", bound.block(0).count);
    line("{}  sweep over {} rows of {} ({} of all ranks),{} in tiles of {}, with {} of registers", time_of(i),
         rows.rows->local_rows, printable(rows.rows->table), rows.rows->total_rows, blocks, bound.tile_rows,
         bytes_text(bound.row_value_doubles + bound.lane_value_doubles));
    for (std::size_t k = 0; k < rows.loops.size(); ++k) {
      const LaneLoop& loop = rows.loops[k];
      const std::size_t lanes =
          std::accumulate(loop.extents.begin(), loop.extents.end(), std::size_t{1}, std::multiplies());
      // Loops of few lanes are written out and run as fewer loops.
      const bool is_run_as_it_is = bound.loops.size() == rows.loops.size();
      line("                   {} in {} lanes{}", plural(loop.instructions.size(), "instruction"), lanes,
           is_run_as_it_is ? fmt::format(", {} at a time", bound.loops[k].block_lanes) : "");
      for (const Instruction& instruction : loop.instructions) {
        line("                     {:<24} {}",
             instruction.is_call() ? instruction.node->op->name() : to_string(instruction.kernel),
             printable(instruction.node->where.str()));
      }
    }
  }

  /// What rows of other loops look into.
  void add_kept() {
    std::size_t doubles = 0;
    for (const Buffer& buffer : program_.schedule.buffers) {
      if (buffer.kind == Buffer::Kind::kept) doubles += buffer.lanes * buffer.rows->local_rows;
    }
    if (doubles > 0) line("{} for values of rows that rows of other sweeps look into or add to", bytes_text(doubles));
  }

  /// Values per row that are computed from columns alone.
  void add_unchanging() {
    const std::vector<Expr> order = topological_order(exprs_of(graph_));
    const NodeSet changing = dependents(order, [](const Expr& expr) { return as<Input>(expr) != nullptr; });
    std::vector<std::string> lines;
    for (const Expr& expr : order) {
      const bool is_computed = is_per_row(expr) && !expr.node()->operands.empty();
      if (!is_computed || changing.contains(expr.node())) continue;
      std::string text = fmt::format("  {} ({})", expr.node()->op->name(), printable(expr.node()->where.str()));
      if (std::ranges::find(lines, text) == lines.end()) lines.push_back(std::move(text));
    }
    if (lines.empty()) return;
    line(
        "computed in each row at every evaluation, though no parameter changes it; store() or Table::with_column keep "
        "what is costly:\n{}",
        fmt::join(lines, "\n"));
  }

  const NamedOutputs& graph_;
  const BoundProgram& program_;
  std::span<const double> seconds_;
  const Communicator& comm_;
  double total_ = 0.0;
  std::string text_;
};

}  // namespace

std::string explanation(const NamedOutputs& graph, const BoundProgram* program, std::span<const double> seconds,
                        const Communicator& comm) {
  if (program == nullptr) return "run node by node on whole arrays, by the reference executor\n" + to_text(graph);
  return Explanation(graph, *program, seconds, comm).text();
}

}  // namespace allgrad
