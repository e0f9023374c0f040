#include "schedule/verify.hpp"

#include <fmt/format.h>

#include <optional>
#include <string_view>

#include "allgrad/error.hpp"
#include "dsl/kernel_id.hpp"

namespace allgrad {

namespace {

/// First and last lane of a buffer that a view touches.
struct Reach {
  std::ptrdiff_t first, last;
};

Reach reach_of(const View& view, const std::vector<std::size_t>& extents) {
  Reach reach{static_cast<std::ptrdiff_t>(view.offset), static_cast<std::ptrdiff_t>(view.offset)};
  for (std::size_t axis = 0; axis < extents.size(); ++axis) {
    const std::ptrdiff_t span = view.strides[axis] * (static_cast<std::ptrdiff_t>(extents[axis]) - 1);
    (span < 0 ? reach.first : reach.last) += span;
  }
  return reach;
}

/// Walks through a schedule as an executor does, and notes what each buffer and register holds.
class Verifier {
 public:
  explicit Verifier(const Schedule& schedule) : buffers_(schedule.buffers) {
    for (const Buffer& buffer : buffers_) written_.push_back(buffer.lanes == 0);
  }

  void run(const Schedule& schedule) {
    for (const auto& step : schedule.steps) {
      if (const auto* dense = std::get_if<DenseStep>(&step)) {
        for (const LaneLoop& loop : dense->loops) check(loop, false);
      } else if (const auto* rows = std::get_if<RowLoop>(&step)) {
        row_values_.assign(rows->register_lanes, std::nullopt);
        for (const std::size_t buffer : rows->accumulators) written_[buffer] = true;
        for (const LaneLoop& loop : rows->loops) check(loop, true);
      } else {
        const auto& collective = std::get<CollectiveStep>(step);
        if (!written_[collective.buffer]) fail("a message is sent that was not written", collective.node);
      }
    }
    for (const std::size_t result : schedule.results) {
      if (!written_[result]) fail("a result is not written", nullptr);
    }
  }

 private:
  using Owners = std::vector<std::optional<std::size_t>>;  // the buffer whose value a register holds

  [[noreturn]] static void fail(std::string_view what, const Node* node) {
    throw InternalError(fmt::format("a schedule in which {}{}", what, node == nullptr ? "" : ": " + node->where.str()));
  }

  void check(const LaneLoop& loop, bool has_rows) {
    lane_values_.assign(loop.num_registers, std::nullopt);
    for (const Instruction& instruction : loop.instructions) {
      const Node* node = instruction.node;
      if (node == nullptr) fail("an instruction has no node", nullptr);
      is_call_ = instruction.is_call();
      if (is_call_ && !loop.extents.empty()) fail("a call is made in a loop over lanes", node);
      if (instruction.adds && !has_adding_kernel(instruction.kernel)) fail("a kernel adds that cannot", node);
      for (const View& view : instruction.inputs) read(view, loop, has_rows, node);
      if (instruction.adds) read(instruction.out, loop, has_rows, node);
      write(instruction.out, loop, has_rows, node);
    }
  }

  Owners& registers_of(Buffer::Kind kind) { return kind == Buffer::Kind::row_value ? row_values_ : lane_values_; }

  /// The registers of a buffer, where it lies in some.
  std::pair<std::size_t, std::size_t> range_of(const Buffer& buffer) const {
    return {buffer.offset, buffer.kind == Buffer::Kind::row_value ? buffer.lanes : 1};
  }

  void check_place(const View& view, const LaneLoop& loop, bool has_rows, const Node* node) const {
    const Buffer& buffer = buffers_[view.buffer];
    if (buffer.per_row() && !has_rows) fail("a value per row is used outside of a row loop", node);
    if (is_call_) return;
    if (view.strides.size() != loop.extents.size()) fail("a view has other axes than its loop", node);
    if (buffer.kind == Buffer::Kind::lane_value) return;
    const Reach reach = reach_of(view, loop.extents);
    if (reach.first < 0 || reach.last >= static_cast<std::ptrdiff_t>(buffer.lanes)) {
      fail("a view leaves its buffer", node);
    }
  }

  static bool is_register(const Buffer& buffer) {
    return buffer.kind == Buffer::Kind::row_value || buffer.kind == Buffer::Kind::lane_value;
  }

  void read(const View& view, const LaneLoop& loop, bool has_rows, const Node* node) {
    check_place(view, loop, has_rows, node);
    const Buffer& buffer = buffers_[view.buffer];
    if (is_register(buffer)) {
      const auto [first, count] = range_of(buffer);
      for (std::size_t lane = first; lane < first + count; ++lane) {
        if (registers_of(buffer.kind).at(lane) != view.buffer) {
          fail("a register is read that does not hold the value", node);
        }
      }
    } else if (!is_written(view.buffer)) {
      fail("a value is read before it is written", node);
    }
  }

  void write(const View& view, const LaneLoop& loop, bool has_rows, const Node* node) {
    check_place(view, loop, has_rows, node);
    const Buffer& buffer = buffers_[view.buffer];
    if (is_register(buffer)) {
      const auto [first, count] = range_of(buffer);
      for (std::size_t lane = first; lane < first + count; ++lane) registers_of(buffer.kind).at(lane) = view.buffer;
    } else if (!is_computed(buffer)) {
      fail("an input is written", node);
    } else {
      written_[view.buffer] = true;
    }
  }

  bool is_written(std::size_t buffer) const {
    const std::size_t at = buffers_[buffer].kept_in.value_or(buffer);
    return written_[at] || !is_computed(buffers_[at]);
  }

  static bool is_computed(const Buffer& buffer) {
    return buffer.kind == Buffer::Kind::value || buffer.kind == Buffer::Kind::accumulator ||
           buffer.kind == Buffer::Kind::message || buffer.kind == Buffer::Kind::result ||
           buffer.kind == Buffer::Kind::kept;
  }

  const std::vector<Buffer>& buffers_;
  std::vector<bool> written_;
  bool is_call_ = false;  ///< the instruction at hand
  Owners row_values_, lane_values_;
};

}  // namespace

void verify(const Schedule& schedule) { Verifier(schedule).run(schedule); }

}  // namespace allgrad
