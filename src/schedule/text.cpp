#include "schedule/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/utf8.hpp"
#include "dsl/kernel_id.hpp"
#include "graph/operator.hpp"

namespace allgrad {

namespace {

class Writer {
 public:
  explicit Writer(const Schedule& schedule) : schedule_(schedule) {}

  std::string text() {
    for (const auto& step : schedule_.steps) {
      if (const auto* dense = std::get_if<DenseStep>(&step)) {
        line("dense");
        add(dense->loops);
      } else if (const auto* rows = std::get_if<RowLoop>(&step)) {
        add(*rows);
      } else {
        const auto& collective = std::get<CollectiveStep>(step);
        line(fmt::format("allreduce {}", name(collective.buffer)), collective.node);
      }
    }
    return std::move(text_);
  }

 private:
  void add(const RowLoop& rows) {
    line(fmt::format("rows of {}: {} lanes of row values", printable(rows.rows->table), rows.register_lanes));
    for (const std::size_t buffer : rows.accumulators) line(fmt::format("  {} = 0", name(buffer)));
    add(rows.loops);
  }

  void add(const std::vector<LaneLoop>& loops) {
    for (const LaneLoop& loop : loops) {
      const std::string registers = loop.num_registers == 0 ? "" : fmt::format(": {} lane values", loop.num_registers);
      line(fmt::format("  lanes {}{}", loop.extents, registers));
      for (const Instruction& instruction : loop.instructions) add(instruction);
    }
  }

  void add(const Instruction& instruction) {
    std::string inputs;
    for (const View& view : instruction.inputs) inputs += (inputs.empty() ? "" : ", ") + place(view);
    line(fmt::format("    {} {} {}({})", place(instruction.out), instruction.adds ? "+=" : "=",
                     instruction.is_call() ? instruction.node->op->name() : to_string(instruction.kernel), inputs),
         instruction.node);
  }

  std::string name(std::size_t i) const {
    const Buffer& buffer = schedule_.buffers[i];
    switch (buffer.kind) {
      case Buffer::Kind::constant: return fmt::format("k{}", i);
      case Buffer::Kind::column: return buffer.kept_in ? name(*buffer.kept_in) : fmt::format("x{}", i);
      case Buffer::Kind::streamed_column: return fmt::format("x{}", i);
      case Buffer::Kind::input: return std::string(buffer.input);
      case Buffer::Kind::row_numbers: return "rows";
      case Buffer::Kind::value: return fmt::format("v{}", i);
      case Buffer::Kind::accumulator: return fmt::format("a{}", i);
      case Buffer::Kind::message: return fmt::format("m{}", i);
      case Buffer::Kind::result: return fmt::format("y{}", i);
      case Buffer::Kind::kept: return fmt::format("h{}", i);
      case Buffer::Kind::row_value: return fmt::format("r{}@{}", i, buffer.offset);
      case Buffer::Kind::lane_value: return fmt::format("t{}@{}", i, buffer.offset);
    }
    return {};
  }

  std::string place(const View& view) const {
    std::string text = name(view.buffer);
    if (schedule_.buffers[view.buffer].kind == Buffer::Kind::lane_value) return text;
    if (view.offset != 0) text += fmt::format("+{}", view.offset);
    if (std::ranges::any_of(view.strides, [](std::ptrdiff_t stride) { return stride != 0; })) {
      text += fmt::format("[{}]", fmt::join(view.strides, ","));
    }
    return text;
  }

  void line(const std::string& text, const Node* node = nullptr) {
    text_ += node == nullptr ? text + "\n" : fmt::format("{:<70} {}\n", text, printable(node->where.str()));
  }

  const Schedule& schedule_;
  std::string text_;
};

}  // namespace

std::string to_text(const Schedule& schedule) { return Writer(schedule).text(); }

}  // namespace allgrad
