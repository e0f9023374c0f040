#include "execute/chain.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "dsl/kernel_id.hpp"
#include "schedule/unroll_lanes.hpp"

namespace allgrad {

using Op = BatchProgram::Op;

namespace {

/// The views under which a chain uses each buffer. One under several, of which one writes, would have to be done with
/// all lanes of the one before the other.
class UsedViews {
 public:
  explicit UsedViews(bool of_single_lanes) : of_single_lanes_(of_single_lanes) {}

  bool allow(const Instruction& instruction) const {
    if (of_single_lanes_) return true;
    const auto fits = [&](const View& view, bool writes) {
      const auto [first, last] = views_.equal_range(view.buffer);
      return std::all_of(first, last, [&](const auto& entry) {
        const auto& [other, other_writes] = entry.second;
        return *other == view || !(writes || other_writes);
      });
    };
    return fits(instruction.out, true) &&
           std::ranges::all_of(instruction.inputs, [&](const View& view) { return fits(view, false); });
  }

  void note(const Instruction& instruction) {
    if (of_single_lanes_) return;
    for (const View& view : instruction.inputs) views_.emplace(view.buffer, std::pair(&view, false));
    views_.emplace(instruction.out.buffer, std::pair(&instruction.out, true));
  }

 private:
  bool of_single_lanes_;
  std::multimap<std::size_t, std::pair<const View*, bool>> views_;
};

/// Doubles behind a pointer that an instruction can reach, with room for a few batches.
constexpr std::ptrdiff_t reach_of_code = std::ptrdiff_t{1} << 27;

}  // namespace

std::vector<ChainRange> cut_into_chains(const LaneLoop& loop, const std::vector<Buffer>& buffers) {
  std::vector<ChainRange> chains;
  for (std::size_t i = 0; i < loop.instructions.size();) {
    const std::size_t first = i;
    UsedViews views(loop.extents.empty());
    while (i < loop.instructions.size() && i - first < longest_chain && is_joinable(loop.instructions[i], buffers) &&
           views.allow(loop.instructions[i])) {
      views.note(loop.instructions[i++]);
    }
    i = std::max(i, first + 1);
    chains.push_back({first, i});
  }
  return chains;
}

void ChainBuilder::add(const Instruction& instruction, const std::function<bool(std::size_t)>& is_kept) {
  if (instruction.kernel == Kernel::scatter_add) return add_at_positions(instruction);
  int value = value_of(instruction);
  if (!is_run_(instruction.out)) {
    body_.program.add(Op::accumulate, {value}, body_.sums.size());
    body_.sums.push_back(locate(instruction.out));
    return;
  }
  if (instruction.adds) value = body_.program.add(Op::add, {value_of(instruction.out), value});
  known(instruction.out).value = value;
  if (!is_kept(instruction.out.buffer)) return;
  body_.program.add(Op::store, {value}, operand_of(instruction.out));
}

int ChainBuilder::value_of(const Instruction& instruction) {
  if (instruction.kernel == Kernel::take) return taken(instruction);
  BatchProgram::Operands in = BatchProgram::operands({});
  std::ranges::transform(instruction.inputs, in.begin(), [&](const View& view) { return value_of(view); });
  if (instruction.kernel == Kernel::copy && lies_in_register(instruction.inputs[0])) {
    return body_.program.add(Op::copy, {in[0]});
  }
  if (is_arithmetic(instruction.kernel)) return append(body_.program, instruction.kernel, in);
  const auto function = kernels_.on_registers[static_cast<std::size_t>(instruction.kernel)];
  const auto known = std::ranges::find(body_.functions, function);
  const auto place = static_cast<std::size_t>(known - body_.functions.begin());
  if (known == body_.functions.end()) body_.functions.push_back(function);
  return body_.program.add(Op::call, {in[0], in[1], in[2]}, place);
}

/// Two sums that lie side by side are one step, which waits for the second of them.
void ChainBuilder::add_at_positions(const Instruction& instruction) {
  const double step = numbers_of(instruction.inputs[2], buffers_)[1];
  SumAtPositions sum{&instruction.out, value_of(instruction.inputs[0]), value_of(instruction.inputs[1]),
                     is_position(instruction)};
  if (step != 1.0) {
    sum.position = body_.program.add(Op::multiply, {sum.position, body_.program.add(Op::constant, {}, 0, step)});
  }
  const auto before = std::ranges::find_if(waiting_, [&](const SumAtPositions& other) {
    return other.table->buffer == sum.table->buffer && other.table->offset + 1 == sum.table->offset &&
           other.position == sum.position && other.is_there == sum.is_there;
  });
  if (before != waiting_.end()) {
    body_.program.add(Op::scatter, {before->x, sum.position, sum.is_there, sum.x}, operand_of(*before->table));
    waiting_.erase(before);
  } else if (step != 1.0) {
    if (lies_in_register(instruction.inputs[0])) sum.x = body_.program.add(Op::copy, {sum.x});
    waiting_.push_back(sum);
  } else {
    add(sum);
  }
}

void ChainBuilder::add(const SumAtPositions& sum) {
  body_.program.add(Op::scatter, {sum.x, sum.position, sum.is_there}, operand_of(*sum.table));
}

/// Of a table at a position, or what stands outside.
int ChainBuilder::taken(const Instruction& instruction) {
  const double outside = numbers_of(instruction.inputs[2], buffers_)[1];
  const int is_there = is_position(instruction);
  const int value =
      body_.program.add(Op::gather, {is_there, value_of(instruction.inputs[1])}, operand_of(instruction.inputs[0]));
  if (outside == 0.0) return value;  // as the step gives
  return body_.program.add(Op::select, {is_there, value, body_.program.add(Op::constant, {}, 0, outside)});
}

/// The mask of where an instruction on a table has a position in it.
int ChainBuilder::is_position(const Instruction& instruction) {
  return append_is_position(body_.program, value_of(instruction.inputs[1]),
                            numbers_of(instruction.inputs[2], buffers_)[0]);
}

std::pair<CodeBody, std::vector<BoundOperand>> ChainBuilder::finish() {
  for (const SumAtPositions& sum : waiting_) add(sum);
  body_.program.finish();
  return {std::move(body_), std::move(pointers_)};
}

/// True for what is read from a register, where another value may be stored once it is not needed any more.
bool ChainBuilder::lies_in_register(const View& view) {
  const Buffer::Kind kind = buffers_[view.buffer].kind;
  const int value = known(view).value;
  return (kind == Buffer::Kind::row_value || kind == Buffer::Kind::lane_value) &&
         body_.program.steps()[static_cast<std::size_t>(value)].op == Op::load;
}

int ChainBuilder::value_of(const View& view) {
  int& value = known(view).value;
  if (value != BatchProgram::none) return value;
  const Buffer& buffer = buffers_[view.buffer];
  const auto stays = [](std::ptrdiff_t stride) { return stride == 0; };
  const bool is_number = buffer.kind == Buffer::Kind::constant && std::ranges::all_of(view.strides, stays);
  return value = is_number ? body_.program.add(Op::constant, {}, 0, buffer.data[view.offset])
                           : body_.program.add(Op::load, {}, operand_of(view));
}

std::size_t ChainBuilder::operand_of(const View& view) {
  std::size_t& operand = known(view).operand;
  if (operand != none) return operand;
  operand = body_.operands.size();
  body_.operands.push_back(locate(view));
  return operand;
}

ChainBuilder::Known& ChainBuilder::known(const View& view) {
  std::size_t& first = first_known_.emplace(view.buffer << 32 ^ view.offset, none).first->second;
  for (std::size_t place = first; place != none; place = known_[place].next) {
    if (*known_[place].view == view) return known_[place];
  }
  known_.push_back({&view, first});
  first = known_.size() - 1;
  return known_.back();
}

/// By a pointer that moves in the same way in the same memory, where there is one near enough.
CodeOperand ChainBuilder::locate(const View& view) {
  BoundView bound = bind_(view);
  const bool per_row = is_run_(view);
  for (std::size_t k = 0; k < pointers_.size(); ++k) {
    const bool moves_alike = pointers_[k].block_stride == bound.place.block_stride &&
                             pointers_[k].strides == bound.place.strides && body_.lane_strides[k] == bound.lane_stride;
    const std::ptrdiff_t offset = bound.position - positions_[k];
    if (memories_[k] == bound.memory && moves_alike && std::abs(offset) < reach_of_code) return {k, offset, per_row};
  }
  pointers_.push_back(std::move(bound.place));
  positions_.push_back(bound.position);
  memories_.push_back(bound.memory);
  body_.lane_strides.push_back(bound.lane_stride);
  return {pointers_.size() - 1, 0, per_row};
}

}  // namespace allgrad
