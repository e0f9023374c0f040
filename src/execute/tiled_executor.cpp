#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <string>

#include "dsl/kernel_id.hpp"
#include "execute/bind_instruction.hpp"
#include "execute/executor.hpp"
#include "execute/kernel_set.hpp"
#include "schedule/schedule.hpp"

namespace allgrad {

namespace {

constexpr std::size_t largest_tile = 1024;

/// Rows per tile: as many as let the registers of a loop stay in cache, in whole vectors.
std::size_t rows_per_tile(std::size_t register_lanes) {
  constexpr std::size_t cache_doubles = 96 * 1024 / sizeof(double);
  constexpr std::size_t smallest = 16;
  const std::size_t fitting = cache_doubles / std::max<std::size_t>(register_lanes, 1);
  return std::clamp(fitting / smallest * smallest, smallest, largest_tile);
}

struct BoundStep {
  std::vector<BoundInstruction> instructions;
  std::size_t num_rows = 0, tile_rows = 0;  ///< of a row loop, else 0
  std::size_t first_row = 0;                ///< of this rank, among the rows of all ranks
  std::span<double> row_numbers = {};       ///< of a row loop that reads them, else empty
  Message* message = nullptr;               ///< of a collective
};

/// Runs a schedule: everything is planned when it is built, a run allocates nothing.
class TiledExecutor final : public Executor {
 public:
  TiledExecutor(const std::vector<Expr>& outputs, Communicator comm, const KernelSet& kernels)
      : schedule_(make_schedule(outputs)), comm_(std::move(comm)), kernels_(kernels) {
    plan_memory();
    for (const auto& step : schedule_.steps) {
      if (const auto* dense = std::get_if<DenseStep>(&step)) {
        steps_.push_back(bind(dense->instructions, false));
      } else if (const auto* loop = std::get_if<RowLoop>(&step)) {
        place_registers(*loop);
        steps_.push_back(bind(loop->instructions, true));
        steps_.back().num_rows = loop->rows->local_rows;
        steps_.back().tile_rows = rows_per_tile(loop->register_lanes);
        steps_.back().first_row = loop->rows->first_row;
        if (loop->numbers_rows) steps_.back().row_numbers = row_numbers_;
      } else {
        steps_.emplace_back().message = &messages_.at(std::get<CollectiveStep>(step).buffer);
      }
    }
    bind_results();
  }

  void run(std::span<const InputValue> inputs, const Operation& operation) override {
    for (const InputValue& input : inputs) {
      const auto used = inputs_.find(input.name);
      if (used != inputs_.end()) std::ranges::copy(input.numbers, used->second.begin());
    }
    for (BoundStep& step : steps_) {
      if (step.message != nullptr) {
        comm_.allreduce(*step.message, operation);
      } else if (step.tile_rows > 0) {
        run_row_loop(step);
      } else {
        run_all(step.instructions);
      }
    }
    run_all(copy_results_.instructions);
  }

  std::span<const double> output(std::size_t i) const override { return results_[i]; }

 private:
  static void run_all(const std::vector<BoundInstruction>& instructions) {
    for (const BoundInstruction& instruction : instructions) instruction.function(instruction.call);
  }

  static void number_rows(std::span<double> numbers, std::size_t first) {
    std::iota(numbers.begin(), numbers.end(), static_cast<double>(first));
  }

  static void run_row_loop(BoundStep& step) {
    for (std::size_t first = 0; first < step.num_rows; first += step.tile_rows) {
      const std::size_t count = std::min(step.tile_rows, step.num_rows - first);
      if (!step.row_numbers.empty()) number_rows(step.row_numbers.first(count), step.first_row + first);
      for (BoundInstruction& instruction : step.instructions) {
        instruction.call.inner_length = count;
        for (std::size_t k = 0; k < max_operands; ++k) {
          if (instruction.column[k] != nullptr) instruction.call.in[k] = instruction.column[k] + first;
        }
        instruction.function(instruction.call);
      }
    }
  }

  /// Gives every buffer but the registers an address.
  void plan_memory() {
    const std::vector<Buffer>& buffers = schedule_.buffers;
    memory_.address.resize(buffers.size());
    memory_.lane_stride.assign(buffers.size(), 1);
    std::size_t dense_size = 0;
    for (const Buffer& buffer : buffers) {
      if (buffer.kind == Buffer::Kind::dense) dense_size += buffer.lanes;
      if (buffer.kind == Buffer::Kind::input) inputs_[std::string(buffer.input)].resize(buffer.lanes);
    }
    dense_.resize(dense_size);
    double* next = dense_.data();
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      switch (buffers[i].kind) {
        case Buffer::Kind::external:
          memory_.address[i] = const_cast<double*>(buffers[i].data);
          break;  // only read
        case Buffer::Kind::input:
          memory_.address[i] = inputs_.find(buffers[i].input)->second.data();
          break;
        case Buffer::Kind::row_numbers:
          memory_.address[i] = row_numbers_.data();
          break;
        case Buffer::Kind::message:
          memory_.address[i] = messages_.try_emplace(i, buffers[i].lanes).first->second.payload().data();
          break;
        case Buffer::Kind::dense:
          memory_.address[i] = next;
          next += buffers[i].lanes;
          break;
        case Buffer::Kind::tile:
          break;
      }
    }
    std::size_t largest = 0;
    for (const auto& step : schedule_.steps) {
      if (const auto* loop = std::get_if<RowLoop>(&step)) {
        largest = std::max(largest, loop->register_lanes * rows_per_tile(loop->register_lanes));
      }
    }
    registers_.resize(largest);
  }

  /// Gives the registers of a loop their addresses; loops run one after the other in the same memory.
  void place_registers(const RowLoop& loop) {
    const auto tile_rows = static_cast<std::ptrdiff_t>(rows_per_tile(loop.register_lanes));
    for (const Instruction& instruction : loop.instructions) {
      const Buffer& buffer = schedule_.buffers[instruction.out.buffer];
      if (buffer.kind != Buffer::Kind::tile) continue;
      memory_.lane_stride[instruction.out.buffer] = tile_rows;
      memory_.address[instruction.out.buffer] =
          registers_.data() + static_cast<std::ptrdiff_t>(buffer.offset) * tile_rows;
    }
  }

  BoundStep bind(const std::vector<Instruction>& instructions, bool inner_is_rows) const {
    BoundStep step;
    step.instructions.reserve(instructions.size());
    for (const Instruction& instruction : instructions) {
      step.instructions.push_back(bind_instruction(instruction, schedule_.buffers, memory_, kernels_, inner_is_rows));
    }
    return step;
  }

  void bind_results() {
    std::vector<Instruction> copies;
    for (const Result& result : schedule_.results) {
      std::size_t size = 1;
      for (std::size_t extent : result.extents) size *= extent;
      results_.emplace_back(size);
      if (size == 0) continue;
      const View out{memory_.address.size(), 0, row_major_strides(result.extents)};
      memory_.address.push_back(results_.back().data());
      memory_.lane_stride.push_back(1);
      schedule_.buffers.push_back({Buffer::Kind::dense, size});
      copies.push_back({Kernel::copy, out, {result.view}, result.extents});
    }
    copy_results_ = bind(copies, false);
  }

  Schedule schedule_;
  Communicator comm_;
  KernelSet kernels_;
  Memory memory_;
  std::map<std::string, std::vector<double>, std::less<>> inputs_;
  std::vector<double> dense_, registers_;
  std::array<double, largest_tile> row_numbers_ = {};
  std::map<std::size_t, Message> messages_;
  std::vector<BoundStep> steps_;
  BoundStep copy_results_;
  std::vector<std::vector<double>> results_;
};

}  // namespace

std::unique_ptr<Executor> make_tiled_executor(const std::vector<Expr>& outputs, Communicator comm) {
  const std::vector<KernelSet> sets = available_kernel_sets();
  const auto counts = comm.allgather(sets.size(), Operation("the choice of kernels", {}));
  const KernelSet& kernels = sets[*std::ranges::min_element(counts) - 1];
  return comm.guarded(
      [&]() -> std::unique_ptr<Executor> { return std::make_unique<TiledExecutor>(outputs, comm, kernels); },
      Operation("the planning of an execution", {}));
}

}  // namespace allgrad
