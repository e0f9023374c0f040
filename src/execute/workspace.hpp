#pragma once

#include <functional>
#include <map>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allgrad/communicator.hpp"
#include "execute/bound_program.hpp"

namespace allgrad {

/// What a run of a program writes to. Allocated once; a run allocates nothing.
class Workspace {
 public:
  explicit Workspace(const BoundProgram& program);

  /// Where a buffer begins; in a row loop, that of a column at the first row of the tile.
  double* address(std::size_t buffer) const { return addresses_[buffer]; }

  /// An input that the program does not use is ignored.
  void set_input(std::string_view name, std::span<const double> numbers);

  Message& message(std::size_t buffer) { return messages_.at(buffer); }
  std::span<const double> numbers(std::size_t buffer, std::size_t count) const { return {addresses_[buffer], count}; }

  /// Room for a place in the outer axes of any loop, all zeros between loops.
  std::span<std::size_t> positions() { return positions_; }

  /// Room for the pointers of any chain.
  std::span<double*> pointers() { return pointers_; }

  /// Room for the operands of any call.
  std::span<CallOperand> call_operands() { return call_operands_; }

  void clear_accumulators(const BoundRowLoop& loop);

  /// Moves to rows of this rank, those of streamed columns where the stream has them now.
  void enter_block(const BoundRowLoop& loop, const RowBlock& block);

  /// Moves to the tile that begins at row `first` of the block.
  void enter_tile(const BoundRowLoop& loop, std::size_t first, std::size_t count);

 private:
  struct Free {
    void operator()(double* memory) const { ::operator delete[](memory, alignment); }
  };
  static constexpr std::align_val_t alignment{64};
  static constexpr std::size_t line = 64 / sizeof(double);  ///< of the cache

  static std::size_t room_for(const Buffer& buffer);
  void place_registers(const BoundRowLoop& loop);
  void make_room_for(const std::vector<BoundLoop>& loops);

  std::vector<Buffer> buffers_;
  std::vector<double*> addresses_;
  std::vector<const double*> block_data_;  ///< of columns: lane 0 of the block at hand
  RowBlock block_;
  std::vector<std::size_t> positions_;
  std::vector<double*> pointers_;
  std::vector<CallOperand> call_operands_;
  std::map<std::string, std::vector<double>, std::less<>> inputs_;
  std::vector<double> row_numbers_;
  std::map<std::size_t, Message> messages_;
  std::unique_ptr<double[], Free> memory_;  ///< values, accumulators and results, then the registers of a row loop
  double* registers_ = nullptr;
};

}  // namespace allgrad
