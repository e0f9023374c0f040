#include "execute/workspace.hpp"

#include <algorithm>
#include <numeric>

namespace allgrad {

namespace {

bool lies_in_workspace(const Buffer& buffer) {
  return buffer.kind == Buffer::Kind::value || buffer.kind == Buffer::Kind::accumulator ||
         buffer.kind == Buffer::Kind::result || buffer.kind == Buffer::Kind::kept;
}

std::size_t doubles_of(const Buffer& buffer) {
  return buffer.kind == Buffer::Kind::kept ? buffer.lanes * buffer.rows->local_rows : buffer.lanes;
}

}  // namespace

/// Doubles that a buffer takes, in whole lines of the cache.
std::size_t Workspace::room_for(const Buffer& buffer) { return (doubles_of(buffer) + line - 1) / line * line; }

Workspace::Workspace(const BoundProgram& program)
    : buffers_(program.schedule.buffers), addresses_(buffers_.size()), block_data_(buffers_.size()) {
  std::size_t size = 0, registers = 0, rows = 0;
  for (const Buffer& buffer : buffers_) {
    if (lies_in_workspace(buffer)) size += room_for(buffer);
    if (buffer.kind == Buffer::Kind::input) inputs_[std::string(buffer.input)].resize(buffer.lanes);
  }
  for (const auto& step : program.steps) {
    if (const auto* dense = std::get_if<BoundDenseStep>(&step)) make_room_for(dense->loops);
    if (const auto* loop = std::get_if<BoundRowLoop>(&step)) {
      make_room_for(loop->loops);
      registers = std::max(registers, loop->row_value_doubles + loop->lane_value_doubles);
      if (loop->numbers_rows) rows = std::max(rows, loop->tile_rows);
    }
  }
  row_numbers_.resize(rows);
  memory_.reset(new (alignment) double[size + registers]());
  double* next = memory_.get();
  registers_ = next + size;
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    const Buffer& buffer = buffers_[i];
    switch (buffer.kind) {
      case Buffer::Kind::constant:
      case Buffer::Kind::column: addresses_[i] = const_cast<double*>(buffer.data); break;  // only read
      case Buffer::Kind::input: addresses_[i] = inputs_.find(buffer.input)->second.data(); break;
      case Buffer::Kind::row_numbers: addresses_[i] = row_numbers_.data(); break;
      case Buffer::Kind::message:
        addresses_[i] = messages_.try_emplace(i, buffer.lanes).first->second.payload().data();
        break;
      case Buffer::Kind::value:
      case Buffer::Kind::accumulator:
      case Buffer::Kind::result:
      case Buffer::Kind::kept:
        addresses_[i] = next;
        next += room_for(buffer);
        break;
      case Buffer::Kind::streamed_column:  // wherever the block at hand is
      case Buffer::Kind::row_value:
      case Buffer::Kind::lane_value: break;
    }
  }
  for (Buffer& buffer : buffers_) {
    if (buffer.kept_in) buffer.data = addresses_[*buffer.kept_in];
  }
  for (const auto& step : program.steps) {
    if (const auto* loop = std::get_if<BoundRowLoop>(&step)) place_registers(*loop);
  }
}

void Workspace::make_room_for(const std::vector<BoundLoop>& loops) {
  for (const BoundLoop& loop : loops) {
    positions_.resize(std::max(positions_.size(), loop.outer_extents.size()));
    for (const BoundInstruction& instruction : loop.instructions) {
      const auto* call = std::get_if<BoundCall>(&instruction);
      if (call != nullptr) call_operands_.resize(std::max(call_operands_.size(), call->in.size()));
      const auto* chain = std::get_if<BoundChain>(&instruction);
      if (chain != nullptr) pointers_.resize(std::max(pointers_.size(), chain->pointers.size()));
    }
  }
}

/// Row loops run one after the other, in the same registers.
void Workspace::place_registers(const BoundRowLoop& loop) {
  const auto place = [&](std::size_t i) {
    if (buffers_[i].kind == Buffer::Kind::row_value) {
      addresses_[i] = registers_ + buffers_[i].offset * loop.lane_stride;
    } else if (buffers_[i].kind == Buffer::Kind::lane_value) {
      addresses_[i] = registers_ + loop.row_value_doubles;
    }
  };
  for (const BoundLoop& lanes : loop.loops) {
    for (const BoundInstruction& instruction : lanes.instructions) {
      if (const auto* kernel = std::get_if<BoundKernel>(&instruction)) {
        place(kernel->out.buffer);
        for (std::size_t k = 0; k < kernel->num_inputs; ++k) place(kernel->in[k].buffer);
      } else if (const auto* call = std::get_if<BoundCall>(&instruction)) {
        place(call->out.place.buffer);
        for (const BoundCall::Operand& operand : call->in) place(operand.place.buffer);
      } else {
        for (const BoundOperand& pointer : std::get<BoundChain>(instruction).pointers) place(pointer.buffer);
      }
    }
  }
}

void Workspace::set_input(std::string_view name, std::span<const double> numbers) {
  const auto used = inputs_.find(name);
  if (used != inputs_.end()) std::ranges::copy(numbers, used->second.begin());
}

void Workspace::clear_accumulators(const BoundRowLoop& loop) {
  for (const std::size_t buffer : loop.accumulators) {
    std::fill_n(addresses_[buffer], doubles_of(buffers_[buffer]), 0.0);
  }
}

void Workspace::enter_block(const BoundRowLoop& loop, const RowBlock& block) {
  block_ = block;
  for (const BoundColumn& column : loop.columns) {
    const Buffer& buffer = buffers_[column.buffer];
    block_data_[column.buffer] = buffer.kind == Buffer::Kind::streamed_column ? buffer.stream->data(buffer.in_stream)
                                                                              : buffer.data + block.first;
  }
}

void Workspace::enter_tile(const BoundRowLoop& loop, std::size_t first, std::size_t count) {
  for (const BoundColumn& column : loop.columns) {
    addresses_[column.buffer] = const_cast<double*>(block_data_[column.buffer]) + first;  // only read
  }
  if (loop.numbers_rows) {
    std::iota(row_numbers_.begin(), row_numbers_.begin() + static_cast<std::ptrdiff_t>(count),
              static_cast<double>(loop.rows->first_row + block_.first + first));
  }
}

}  // namespace allgrad
