#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "allgrad/error.hpp"
#include "base/utf8.hpp"
#include "dsl/kernel_id.hpp"
#include "execute/bound_program.hpp"
#include "execute/chain.hpp"
#include "graph/shape.hpp"
#include "schedule/unroll_lanes.hpp"

namespace allgrad {

namespace {

/// What the registers of a row loop may take of the caches: about the first level, 32 kB or more on today's processors,
/// or of the second one what a tile of fewer rows would lose by its many calls of kernels.
constexpr std::size_t cache_doubles = 64 * 1024 / sizeof(double);
constexpr std::size_t smallest_tile = 128, largest_tile = most_tile_rows;
constexpr std::size_t cache_line = 64 / sizeof(double);  // of the cache

std::size_t round_up(std::size_t n, std::size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/// Rows per tile: as many as let the registers stay in cache, in whole lines, and not more than there are.
std::size_t tile_rows(const RowLoop& sweep) {
  std::size_t lanes = 1;
  for (const LaneLoop& loop : sweep.loops) lanes = std::max(lanes, sweep.register_lanes + loop.num_registers);
  const std::size_t fitting = std::clamp(cache_doubles / lanes / cache_line * cache_line, smallest_tile, largest_tile);
  return std::min(fitting, round_up(std::max<std::size_t>(sweep.rows->local_rows, 1), cache_line));
}

/// Lanes of the block axis for which the lane values of a loop stay in cache.
std::size_t lanes_of_block(const LaneLoop& loop, std::size_t extent, std::size_t row_value_doubles,
                           std::size_t lane_doubles) {
  const std::size_t room = cache_doubles - std::min(cache_doubles / 2, row_value_doubles);
  return std::clamp<std::size_t>(room / (lane_doubles * std::max<std::size_t>(loop.num_registers, 1)), 1, extent);
}

/// Doubles from lane to lane of values, in a row loop with so many between the lanes of registers and of columns.
struct RegisterStrides {
  std::size_t of_registers = 1, of_columns = 1;

  std::ptrdiff_t operator()(const Buffer& buffer) const {
    switch (buffer.kind) {
      case Buffer::Kind::row_value:
      case Buffer::Kind::lane_value: return static_cast<std::ptrdiff_t>(of_registers);
      case Buffer::Kind::column: return static_cast<std::ptrdiff_t>(of_columns);
      case Buffer::Kind::kept: return static_cast<std::ptrdiff_t>(buffer.rows->local_rows);
      case Buffer::Kind::streamed_column: return static_cast<std::ptrdiff_t>(buffer.stream->lane_stride());
      default: return 1;
    }
  }
};

/// How often each buffer is read and written.
using UseCounts = std::vector<std::size_t>;

void count_uses(const Instruction& instruction, UseCounts& uses) {
  ++uses[instruction.out.buffer];
  for (const View& view : instruction.inputs) ++uses[view.buffer];
}

void forget_uses(const Instruction& instruction, UseCounts& uses) {
  uses[instruction.out.buffer] = 0;
  for (const View& view : instruction.inputs) uses[view.buffer] = 0;
}

BoundCall bind_call(const Instruction& instruction, const std::vector<Buffer>& buffers,
                    const RegisterStrides& strides) {
  const auto bind = [&](const View& view, const Shape& shape) {
    const Buffer& buffer = buffers[view.buffer];
    const std::ptrdiff_t lane = strides(buffer);
    const std::size_t register_lane = buffer.kind == Buffer::Kind::lane_value ? buffer.offset : 0;
    BoundOperand place{view.buffer, static_cast<std::ptrdiff_t>(register_lane + view.offset) * lane, 0, view.strides};
    for (std::ptrdiff_t& stride : place.strides) stride *= lane;
    return BoundCall::Operand{std::move(place), lane_shape(shape),
                              buffer.per_row() || buffer.kind == Buffer::Kind::kept ? 1 : 0};
  };
  const Node& node = *instruction.node;
  BoundCall call{&node, bind(instruction.out, node.shape), {}};
  for (std::size_t k = 0; k < node.operands.size(); ++k) {
    call.in.push_back(bind(instruction.inputs[k], node.operands[k].shape()));
  }
  return call;
}

/// Binds the instructions of loops: chains of them as functions, where code is written.
class LoopBinder {
 public:
  virtual ~LoopBinder() = default;

 protected:
  LoopBinder(const Schedule& schedule, const KernelSet& kernels, MachineCode* code)
      : buffers_(schedule.buffers),
        kernels_(kernels),
        code_(code),
        uses_(schedule.buffers.size()),
        in_chain_(schedule.buffers.size()) {}

  /// To be called for all loops in which a value is used that need not be stored where one chain has all its uses.
  void note_uses(const std::vector<LaneLoop>& loops) {
    for (const LaneLoop& loop : loops) {
      for (const Instruction& instruction : loop.instructions) count_uses(instruction, uses_);
    }
  }

  void bind_instructions(const LaneLoop& loop, bool in_chains, BoundLoop& result) {
    if (code_ != nullptr && in_chains) return bind_chains(loop, result);
    for (const Instruction& instruction : loop.instructions) result.instructions.push_back(bind(instruction, result));
  }

  virtual BoundView locate(const View& view, const BoundLoop& loop) const = 0;

  const std::vector<Buffer>& buffers_;
  const KernelSet& kernels_;

 private:
  virtual BoundInstruction bind(const Instruction& instruction, const BoundLoop& loop) const = 0;
  virtual bool is_run(const View& view) const = 0;

  void bind_chains(const LaneLoop& loop, BoundLoop& result) {
    for (const auto& [start, end] : cut_into_chains(loop, buffers_)) {
      if (!is_joinable(loop.instructions[start], buffers_)) {
        result.instructions.push_back(bind(loop.instructions[start], result));
        continue;
      }
      ChainBuilder chain(
          buffers_, kernels_, [&](const View& view) { return locate(view, result); },
          [this](const View& view) { return is_run(view); });
      const std::span instructions(&loop.instructions[start], end - start);
      for (const Instruction& instruction : instructions) count_uses(instruction, in_chain_);
      const auto is_kept = [&](std::size_t buffer) {
        return in_chain_[buffer] != uses_[buffer] || buffers_[buffer].leaves_program();
      };
      for (const Instruction& instruction : instructions) chain.add(instruction, is_kept);
      for (const Instruction& instruction : instructions) forget_uses(instruction, in_chain_);
      auto [body, pointers] = chain.finish();
      result.instructions.emplace_back(BoundChain{code_->add(body), std::move(pointers)});
    }
  }

  MachineCode* code_;
  UseCounts uses_, in_chain_;  // in the loops that were noted, and in the chain at hand
};

/// Binds loops of a row loop, whose inner axis is the rows of a tile.
class RowBinder final : public LoopBinder {
 public:
  RowBinder(const Schedule& schedule, const KernelSet& kernels, MachineCode* code, const BoundRowLoop& bound,
            const std::vector<LaneLoop>& loops)
      : LoopBinder(schedule, kernels, code), bound_(bound), strides_{bound.lane_stride, bound.rows->local_rows} {
    note_uses(loops);
  }

  BoundLoop bind(const LaneLoop& loop) {
    BoundLoop result;
    result.outer_extents = loop.extents;
    if (!loop.extents.empty()) {
      result.block_extent = loop.extents.back();
      result.outer_extents.pop_back();
    }
    result.block_lanes = lanes_of_block(loop, result.block_extent, bound_.row_value_doubles, bound_.lane_stride);
    result.inner = bound_.tile_rows;
    bind_instructions(loop, true, result);
    return result;
  }

 private:
  bool is_run(const View& view) const override { return buffers_[view.buffer].per_row(); }

  /// Registers lie in one memory, all others in their own.
  BoundView locate(const View& view, const BoundLoop& loop) const override {
    BoundView result{};
    std::ptrdiff_t inner_step = 0;
    result.place = bind(view, loop, inner_step, result.lane_stride);
    const Buffer& buffer = buffers_[view.buffer];
    const bool is_row_value = buffer.kind == Buffer::Kind::row_value;
    const bool is_register = is_row_value || buffer.kind == Buffer::Kind::lane_value;
    result.memory = is_register ? buffers_.size() : view.buffer;
    const std::size_t start = is_row_value ? buffer.offset * bound_.lane_stride : bound_.row_value_doubles;
    result.position = result.place.offset + (is_register ? static_cast<std::ptrdiff_t>(start) : 0);
    return result;
  }

  BoundInstruction bind(const Instruction& instruction, const BoundLoop& loop) const override {
    if (instruction.is_call()) return bind_call(instruction, buffers_, strides_);
    const auto kernel = static_cast<std::size_t>(instruction.kernel);
    BoundKernel result{
        (instruction.adds ? kernels_.add : kernels_.store)[kernel], {}, instruction.inputs.size(), {}, {}};
    result.out = bind(instruction.out, loop, result.steps.out_inner, result.steps.out_outer);
    for (std::size_t k = 0; k < instruction.inputs.size(); ++k) {
      result.in[k] = bind(instruction.inputs[k], loop, result.steps.in_inner[k], result.steps.in_outer[k]);
    }
    return result;
  }

  BoundOperand bind(const View& view, const BoundLoop& loop, std::ptrdiff_t& inner_step,
                    std::ptrdiff_t& block_step) const {
    const Buffer& buffer = buffers_[view.buffer];
    inner_step = is_run(view) ? 1 : 0;
    if (buffer.kind == Buffer::Kind::lane_value) {
      block_step = static_cast<std::ptrdiff_t>(bound_.lane_stride);
      return {view.buffer, static_cast<std::ptrdiff_t>(buffer.offset * loop.block_lanes * bound_.lane_stride), 0,
              std::vector<std::ptrdiff_t>(loop.outer_extents.size())};
    }
    const std::ptrdiff_t lane = strides_(buffer);
    BoundOperand result{view.buffer, static_cast<std::ptrdiff_t>(view.offset) * lane, 0, view.strides};
    for (std::ptrdiff_t& stride : result.strides) stride *= lane;
    if (!result.strides.empty()) {
      block_step = result.block_stride = result.strides.back();
      result.strides.pop_back();
    }
    return result;
  }

  const BoundRowLoop& bound_;
  RegisterStrides strides_;
};

/// Notes the columns of a row loop, those of a stream apart too.
void bind_columns(const RowLoop& sweep, const std::vector<Buffer>& buffers, BoundRowLoop& bound) {
  std::set<std::size_t> columns;
  for (const LaneLoop& loop : sweep.loops) {
    for (const Instruction& instruction : loop.instructions) {
      for (const View& view : instruction.inputs) {
        if (buffers[view.buffer].is_column()) columns.insert(view.buffer);
      }
    }
  }
  for (const std::size_t i : columns) {
    const Buffer& buffer = buffers[i];
    const bool is_streamed = buffer.kind == Buffer::Kind::streamed_column;
    bound.columns.push_back({i, is_streamed ? buffer.stream->lane_stride() : sweep.rows->local_rows});
    if (!is_streamed) continue;
    if (bound.blocks.stream != nullptr && bound.blocks.stream != buffer.stream) {
      throw InternalError("a row loop reads two streams");
    }
    bound.blocks.stream = buffer.stream;
    bound.blocks.buffers.push_back(i);
    bound.blocks.in_stream.push_back(buffer.in_stream);
  }
}

BoundRowLoop bind_row_loop(const RowLoop& sweep, const Schedule& schedule, const KernelSet& kernels,
                           MachineCode* code) {
  BoundRowLoop bound{sweep.rows, sweep.numbers_rows, tile_rows(sweep), 0, 0, 0, sweep.accumulators};
  bound.lane_stride = apart(bound.tile_rows);
  bound.row_value_doubles = sweep.register_lanes * bound.lane_stride;
  const std::vector<LaneLoop> loops = code != nullptr ? unroll_lanes(sweep.loops, schedule.buffers) : sweep.loops;
  RowBinder binder(schedule, kernels, code, bound, loops);
  for (const LaneLoop& loop : loops) {
    bound.loops.push_back(binder.bind(loop));
    bound.lane_value_doubles =
        std::max(bound.lane_value_doubles, loop.num_registers * bound.loops.back().block_lanes * bound.lane_stride);
  }
  bind_columns(sweep, schedule.buffers, bound);
  return bound;
}

/// True where kernels can take the axis as their inner one.
bool is_contiguous(const LaneLoop& loop, std::size_t axis) {
  return std::ranges::all_of(loop.instructions, [&](const Instruction& instruction) {
    const auto zero_or_one = [&](const View& view) { return view.strides[axis] == 0 || view.strides[axis] == 1; };
    return (instruction.adds ? zero_or_one(instruction.out) : instruction.out.strides[axis] == 1) &&
           std::ranges::all_of(instruction.inputs, zero_or_one);
  });
}

/// Binds loops over values that are not per row: the inner axis is the last one, where it is contiguous.
class DenseBinder final : public LoopBinder {
 public:
  DenseBinder(const Schedule& schedule, const KernelSet& kernels, MachineCode* code)
      : LoopBinder(schedule, kernels, code) {
    for (const auto& step : schedule.steps) {
      if (const auto* dense = std::get_if<DenseStep>(&step)) note_uses(dense->loops);
      if (const auto* sweep = std::get_if<RowLoop>(&step)) note_uses(sweep->loops);
    }
  }

  BoundLoop bind(const LaneLoop& loop) {
    BoundLoop result;
    result.outer_extents = loop.extents;
    has_inner_ = !loop.extents.empty() && is_contiguous(loop, loop.extents.size() - 1);
    if (has_inner_) {
      result.inner = result.outer_extents.back();
      result.outer_extents.pop_back();
    }
    if (!result.outer_extents.empty()) {
      result.block_lanes = result.block_extent = result.outer_extents.back();
      result.outer_extents.pop_back();
    }
    bind_instructions(loop, result.inner >= long_loop, result);
    return result;
  }

 private:
  bool is_run(const View& view) const override { return has_inner_ && view.strides.back() != 0; }

  BoundView locate(const View& view, const BoundLoop&) const override {
    std::ptrdiff_t inner_step = 0;
    BoundView result{{}, 0, view.buffer, static_cast<std::ptrdiff_t>(view.offset)};
    result.place = bind(view, inner_step, result.lane_stride);
    return result;
  }

  BoundInstruction bind(const Instruction& instruction, const BoundLoop&) const override {
    if (instruction.is_call()) return bind_call(instruction, buffers_, {});
    const auto kernel = static_cast<std::size_t>(instruction.kernel);
    BoundKernel result{
        (instruction.adds ? kernels_.add : kernels_.store)[kernel], {}, instruction.inputs.size(), {}, {}};
    result.out = bind(instruction.out, result.steps.out_inner, result.steps.out_outer);
    for (std::size_t k = 0; k < instruction.inputs.size(); ++k) {
      result.in[k] = bind(instruction.inputs[k], result.steps.in_inner[k], result.steps.in_outer[k]);
    }
    return result;
  }

  BoundOperand bind(const View& view, std::ptrdiff_t& inner_step, std::ptrdiff_t& block_step) const {
    BoundOperand operand{view.buffer, static_cast<std::ptrdiff_t>(view.offset), 0, view.strides};
    const auto take = [&](std::ptrdiff_t& stride) {
      stride = operand.strides.back();
      operand.strides.pop_back();
    };
    if (has_inner_) take(inner_step);
    if (!operand.strides.empty()) take(block_step);
    return operand;
  }

  bool has_inner_ = false;  // the loop at hand
};

/// Tells each row loop which one reads its stream next: after the last, in the next evaluation, the first.
void chain_streamed_loops(std::vector<BoundStep>& steps) {
  std::map<const RowStream*, std::size_t> next;
  for (std::size_t turn = 0; turn < 2; ++turn) {
    for (std::size_t i = steps.size(); i-- > 0;) {
      auto* loop = std::get_if<BoundRowLoop>(&steps[i]);
      if (loop == nullptr || loop->blocks.stream == nullptr) continue;
      const auto later = next.try_emplace(loop->blocks.stream, i).first;
      loop->blocks.next_step = std::exchange(later->second, i);
    }
  }
}

}  // namespace

BoundProgram bind(Schedule schedule, const KernelSet& kernels) {
  BoundProgram program{std::move(schedule), kernels, {}, {}};
  if (kernels.writes_code) program.code.emplace(kernels.doubles_per_register);
  MachineCode* code = program.code ? &*program.code : nullptr;
  DenseBinder dense_binder(program.schedule, kernels, code);
  for (const auto& step : program.schedule.steps) {
    if (const auto* dense = std::get_if<DenseStep>(&step)) {
      BoundDenseStep bound;
      for (const LaneLoop& loop : dense->loops) {
        bound.loops.push_back(dense_binder.bind(loop));
      }
      program.steps.emplace_back(std::move(bound));
    } else if (const auto* sweep = std::get_if<RowLoop>(&step)) {
      program.steps.emplace_back(bind_row_loop(*sweep, program.schedule, kernels, code));
    } else {
      program.steps.emplace_back(std::get<CollectiveStep>(step));
    }
  }
  if (program.code) program.code->finish();
  chain_streamed_loops(program.steps);
  return program;
}

RowBlock BoundRowLoop::block(std::size_t first) const {
  const std::size_t all = rows->local_rows;
  return {first, blocks.stream == nullptr ? all : std::min(blocks.stream->block_rows(tile_rows), all - first)};
}

std::string to_text(const BoundProgram& program) {
  std::string text = fmt::format("kernels {}", program.kernels.instruction_set);
  if (program.code) text += fmt::format(", joined to {} bytes of machine code", program.code->num_bytes());
  text += '\n';
  for (const auto& step : program.steps) {
    const auto* rows = std::get_if<BoundRowLoop>(&step);
    if (rows == nullptr) continue;
    const std::string blocks =
        rows->blocks.stream == nullptr ? "" : fmt::format(", read in blocks of {}", rows->block(0).count);
    text += fmt::format("{} rows of {}{}, in tiles of {}, registers of {} bytes\n", rows->rows->local_rows,
                        printable(rows->rows->table), blocks, rows->tile_rows,
                        (rows->row_value_doubles + rows->lane_value_doubles) * sizeof(double));
    for (const BoundLoop& loop : rows->loops) {
      std::size_t rounds = (loop.block_extent + loop.block_lanes - 1) / loop.block_lanes;
      for (const std::size_t extent : loop.outer_extents) rounds *= extent;
      text +=
          fmt::format("  {} functions in {} rounds of {} lanes\n", loop.instructions.size(), rounds, loop.block_lanes);
    }
  }
  return text;
}

}  // namespace allgrad
