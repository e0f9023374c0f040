#include <algorithm>
#include <chrono>

#include "base/masked_traps.hpp"
#include "execute/bound_program.hpp"
#include "execute/executor.hpp"
#include "execute/kernel_set.hpp"
#include "execute/workspace.hpp"
#include "graph/operator.hpp"
#include "schedule/schedule.hpp"
#include "schedule/text.hpp"

namespace allgrad {

namespace {

void run_call(const BoundCall& call, Workspace& workspace, std::size_t num_rows) {
  const auto locate = [&](const BoundCall::Operand& operand) {
    return CallOperand{workspace.address(operand.place.buffer) + operand.place.offset, operand.lanes,
                       operand.place.strides, operand.row_stride};
  };
  const std::span<CallOperand> in = workspace.call_operands().first(call.in.size());
  std::ranges::transform(call.in, in.begin(), locate);
  call.node->op->call(*call.node, {locate(call.out), in, num_rows});
}

/// One round: the lanes from `lane` on of the block axis, at a place in the outer axes.
void run_round(const BoundLoop& loop, Workspace& workspace, std::span<const std::size_t> positions, std::size_t lane,
               std::size_t lanes, std::size_t inner, const MachineCode* code) {
  const auto start = static_cast<std::ptrdiff_t>(lane);
  const auto locate = [&](const BoundOperand& operand) {
    double* address = workspace.address(operand.buffer) + operand.offset + start * operand.block_stride;
    for (std::size_t axis = 0; axis < positions.size(); ++axis) {
      address += static_cast<std::ptrdiff_t>(positions[axis]) * operand.strides[axis];
    }
    return address;
  };
  for (const BoundInstruction& instruction : loop.instructions) {
    if (const auto* chain = std::get_if<BoundChain>(&instruction)) {
      const std::span<double*> pointers = workspace.pointers().first(chain->pointers.size());
      std::ranges::transform(chain->pointers, pointers.begin(), locate);
      code->function(chain->function)(pointers.data(), lanes, inner);
    } else if (const auto* kernel = std::get_if<BoundKernel>(&instruction)) {
      KernelOperands operands;
      operands.out = locate(kernel->out);
      for (std::size_t k = 0; k < kernel->num_inputs; ++k) operands.in[k] = locate(kernel->in[k]);
      kernel->kernel(kernel->steps, operands, lanes, inner);
    } else {
      run_call(std::get<BoundCall>(instruction), workspace, inner);
    }
  }
}

void run_loop(const BoundLoop& loop, Workspace& workspace, std::size_t inner, const MachineCode* code) {
  const std::span<std::size_t> positions = workspace.positions().first(loop.outer_extents.size());
  for (;;) {
    for (std::size_t lane = 0; lane < loop.block_extent; lane += loop.block_lanes) {
      run_round(loop, workspace, positions, lane, std::min(loop.block_lanes, loop.block_extent - lane), inner, code);
    }
    std::size_t axis = positions.size();
    do {  // the next place: the last axis runs fastest
      if (axis == 0) return;
      --axis;
      positions[axis] = positions[axis] + 1 < loop.outer_extents[axis] ? positions[axis] + 1 : 0;
    } while (positions[axis] == 0);
  }
}

/// While one lives, streams may be read; afterwards nothing is, so that the user may call the libraries that do it.
class Reading {
 public:
  explicit Reading(const std::vector<RowStream*>& streams) : streams_(streams) {}
  ~Reading() {
    for (RowStream* stream : streams_) stream->rest();
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

 private:
  const std::vector<RowStream*>& streams_;
};

/// Runs a schedule: everything is planned when it is built, a run allocates nothing.
class TiledExecutor final : public Executor {
 public:
  TiledExecutor(const std::vector<Expr>& outputs, Communicator comm, const KernelSet& kernels)
      : program_(bind(make_schedule(outputs), kernels)), workspace_(program_), comm_(std::move(comm)) {
    for (const auto& step : program_.steps) {
      const auto* rows = std::get_if<BoundRowLoop>(&step);
      if (rows == nullptr || rows->blocks.stream == nullptr) continue;
      rows->blocks.stream->make_room_for(rows->blocks.in_stream);
      streams_.push_back(rows->blocks.stream);
    }
  }

  void run(std::span<const InputValue> inputs, const Operation& operation) override {
    const MaskedTraps masked;
    const Reading reading(streams_);
    for (const InputValue& input : inputs) workspace_.set_input(input.name, input.numbers);
    for (const auto& step : program_.steps) run_step(step, operation);
  }

  std::vector<double> run_timed(std::span<const InputValue> inputs, const Operation& operation) override {
    const MaskedTraps masked;
    const Reading reading(streams_);
    for (const InputValue& input : inputs) workspace_.set_input(input.name, input.numbers);
    std::vector<double> seconds;
    for (const auto& step : program_.steps) {
      const auto start = std::chrono::steady_clock::now();
      run_step(step, operation);
      seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return seconds;
  }

  const BoundProgram* program() const override { return &program_; }

  std::span<const double> output(std::size_t i) const override {
    const std::size_t buffer = program_.schedule.results[i];
    return workspace_.numbers(buffer, program_.schedule.buffers[buffer].lanes);
  }

  std::vector<std::pair<std::string, std::string>> stages() const override {
    return {{"schedule", to_text(program_.schedule)}, {"bound program", to_text(program_)}};
  }

 private:
  void run_step(const BoundStep& step, const Operation& operation) {
    if (const auto* dense = std::get_if<BoundDenseStep>(&step)) {
      for (const BoundLoop& loop : dense->loops) run_loop(loop, workspace_, loop.inner, code());
    } else if (const auto* rows = std::get_if<BoundRowLoop>(&step)) {
      run_row_loop(*rows);
    } else {
      comm_.allreduce(workspace_.message(std::get<CollectiveStep>(step).buffer), operation);
    }
  }

  void run_row_loop(const BoundRowLoop& rows) {
    workspace_.clear_accumulators(rows);
    RowBlock block;
    for (std::size_t row = 0; row < rows.rows->local_rows; row += block.count) {
      block = rows.block(row);
      if (rows.blocks.stream != nullptr) take(rows, block);
      workspace_.enter_block(rows, block);
      for (std::size_t first = 0; first < block.count; first += rows.tile_rows) {
        const std::size_t count = std::min(rows.tile_rows, block.count - first);
        workspace_.enter_tile(rows, first, count);
        for (const BoundLoop& loop : rows.loops) run_loop(loop, workspace_, count, code());
      }
    }
  }

  /// Waits for a block of rows, and has the one after it be read: of this loop, or the first of the next one.
  void take(const BoundRowLoop& rows, const RowBlock& block) {
    const std::size_t end = block.first + block.count;
    const bool is_last = end == rows.rows->local_rows;
    const BoundRowLoop& next = is_last ? std::get<BoundRowLoop>(program_.steps[rows.blocks.next_step]) : rows;
    rows.blocks.stream->take({block, rows.blocks.in_stream}, {next.block(is_last ? 0 : end), next.blocks.in_stream});
  }

  const MachineCode* code() const { return program_.code ? &*program_.code : nullptr; }

  const BoundProgram program_;
  Workspace workspace_;
  std::vector<RowStream*> streams_;  ///< that are read, one for each row loop
  Communicator comm_;
};

}  // namespace

std::unique_ptr<Executor> make_tiled_executor(const std::vector<Expr>& outputs, Communicator comm) {
  const KernelSet kernels = choose_kernel_set(comm);
  return comm.guarded(
      [&]() -> std::unique_ptr<Executor> { return std::make_unique<TiledExecutor>(outputs, comm, kernels); },
      Operation("the planning of an execution", {}));
}

}  // namespace allgrad
