#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/flat_map.hpp"
#include "execute/bound_program.hpp"
#include "schedule/schedule.hpp"

namespace allgrad {

/// Instructions of a lane loop, from the first to before the last, that are run as one function.
struct ChainRange {
  std::size_t first, last;
};

/// Cuts a lane loop into chains, as long as can be, of instructions that can be joined. Others are alone.
std::vector<ChainRange> cut_into_chains(const LaneLoop& loop, const std::vector<Buffer>& buffers);

/// Where a view of a loop lies in the memory of a run.
struct BoundView {
  BoundOperand place;
  std::ptrdiff_t lane_stride;  ///< from lane to lane of a round
  std::size_t memory;          ///< the memory that `position` counts in; a buffer's number, or that of all registers
  std::ptrdiff_t position;     ///< doubles from the beginning of that memory
};

/// Makes a function of a chain: what is used in the chain alone never leaves the processor's registers.
class ChainBuilder {
 public:
  using Bind = std::function<BoundView(const View&)>;
  using IsRun = std::function<bool(const View&)>;  ///< whether a view moves along the inner axis

  ChainBuilder(const std::vector<Buffer>& buffers, const KernelSet& kernels, Bind bind, IsRun is_run)
      : buffers_(buffers), kernels_(kernels), bind_(std::move(bind)), is_run_(std::move(is_run)) {}

  /// The instruction outlives the builder. `is_kept` tells whether a buffer is used outside of the chain.
  void add(const Instruction& instruction, const std::function<bool(std::size_t)>& is_kept);

  /// The function, and the pointers to call it with.
  std::pair<CodeBody, std::vector<BoundOperand>> finish();

 private:
  /// What is known of a view.
  struct Known {
    const View* view;
    std::size_t next;                ///< place of another view from the same lane on
    int value = BatchProgram::none;  ///< the step of what it holds
    std::size_t operand = none;
  };
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  /// Steps of what is added where, and of a mask.
  struct SumAtPositions {
    const View* table;
    int x, position, is_there;
  };

  void add(const SumAtPositions& sum);
  void add_at_positions(const Instruction& instruction);
  Known& known(const View& view);
  int value_of(const Instruction& instruction);
  int value_of(const View& view);
  int taken(const Instruction& instruction);
  int is_position(const Instruction& instruction);
  bool lies_in_register(const View& view);
  std::size_t operand_of(const View& view);
  CodeOperand locate(const View& view);

  const std::vector<Buffer>& buffers_;
  const KernelSet& kernels_;
  Bind bind_;
  IsRun is_run_;
  CodeBody body_;
  std::vector<SumAtPositions> waiting_;
  std::vector<BoundOperand> pointers_;
  std::vector<std::ptrdiff_t> positions_;  // of the pointers
  std::vector<std::size_t> memories_;
  std::vector<Known> known_;
  FlatMap<std::uint64_t, std::size_t> first_known_;  // by buffer and lane, in known_
};

}  // namespace allgrad
