// Where values are while a body is written: in registers, in slots of the frame, or in the memory that they come from.
#include <algorithm>
#include <bit>

#include "execute/x86_64/assembler.hpp"

namespace allgrad {

bool MachineCode::Assembler::is_in_memory(std::size_t value) const {
  const Op op = steps()[value].op;
  return places_[value].slot >= 0 || op == Op::load || op == Op::constant;
}

/// True for what is read of fewer rows than a batch has.
bool MachineCode::Assembler::is_part(std::size_t value) const {
  const Step& step = steps()[value];
  return tail_ && places_[value].slot < 0 && step.op == Op::load && body_->operands[step.index].per_row;
}

/// The step that uses the value next, or -1.
int MachineCode::Assembler::next_use(std::size_t value) const {
  return next_uses_[value] < last_uses_[value] ? static_cast<int>(uses_[next_uses_[value]]) : -1;
}

/// A free register, or that of the value which is needed last.
int MachineCode::Assembler::take_register(bool mask) {
  std::vector<int>& owners = mask ? mask_owner_ : vector_owner_;
  int furthest = -1, furthest_use = -2;
  for (std::size_t reg = mask ? 1 : 0; reg < owners.size(); ++reg) {  // the first mask register means none
    if (owners[reg] < 0) return static_cast<int>(reg);
    const auto owner = static_cast<std::size_t>(owners[reg]);
    if (std::ranges::find(pinned_, owner) != pinned_.end()) continue;
    if (next_use(owner) > furthest_use) furthest = static_cast<int>(reg), furthest_use = next_use(owner);
  }
  evict(static_cast<std::size_t>(owners[static_cast<std::size_t>(furthest)]));
  return furthest;
}

int MachineCode::Assembler::give_register(std::size_t value) {
  const bool mask = uses_mask_registers(value);
  const int reg = take_register(mask);
  (mask ? mask_owner_ : vector_owner_)[static_cast<std::size_t>(reg)] = static_cast<int>(value);
  return places_[value].reg = reg;
}

/// Takes a value out of its register, into memory where it is needed.
void MachineCode::Assembler::evict(std::size_t value) {
  if (next_use(value) >= 0) save(value);
  release(value);
}

void MachineCode::Assembler::save(std::size_t value) {
  if (is_in_memory(value)) return;
  Place& place = places_[value];
  place.slot = new_slot();
  if (uses_mask_registers(value)) {
    kmovw(mask_slot(place.slot), Opmask(place.reg));
  } else {
    vmovapd(slot(place.slot), vector(place.reg));
  }
}

/// Frees the register, and the slot of a value that is not needed any more.
void MachineCode::Assembler::release(std::size_t value) {
  Place& place = places_[value];
  if (place.reg >= 0) {
    (uses_mask_registers(value) ? mask_owner_ : vector_owner_)[static_cast<std::size_t>(place.reg)] = -1;
    place.reg = -1;
  }
  if (place.slot >= 0 && next_use(value) < 0) {
    freed_slots_.push_back(place.slot);
    place.slot = -1;
  }
}

/// To be called when an instruction has all its operands, before its result is given a register: that of an operand
/// which is not needed any more will do.
void MachineCode::Assembler::use_operands(std::size_t i) {
  for (const int operand : steps()[i].in) {
    if (operand == BatchProgram::none) continue;
    const auto value = static_cast<std::size_t>(operand);
    ++next_uses_[value];
    if (next_use(value) < 0) release(value);
  }
}

MachineCode::Assembler::Xmm MachineCode::Assembler::result(std::size_t i) {
  use_operands(i);
  return vector(give_register(i));
}

MachineCode::Assembler::Opmask MachineCode::Assembler::mask_result(std::size_t i) {
  use_operands(i);
  return Opmask(give_register(i));
}

MachineCode::Assembler::Xmm MachineCode::Assembler::in_register(std::size_t value) {
  if (places_[value].reg < 0) load(value, give_register(value));
  return vector(places_[value].reg);
}

MachineCode::Assembler::Opmask MachineCode::Assembler::in_mask(std::size_t value) {
  if (places_[value].reg < 0) {
    const Address address = mask_slot(places_[value].slot);
    kmovw(Opmask(give_register(value)), address);
  }
  return Opmask(places_[value].reg);
}

/// What is in memory and used once more is read there.
const MachineCode::Assembler::Operand& MachineCode::Assembler::operand(std::size_t value) {
  const bool is_last_use = next_uses_[value] + 1 >= last_uses_[value];
  if (places_[value].reg < 0 && !is_part(value) && is_last_use) {
    memory_ = memory_of(value);
    return memory_;
  }
  register_ = in_register(value);
  return register_;
}

/// A part of a batch is filled up with the last row, which raises no condition that is not raised anyway.
void MachineCode::Assembler::load(std::size_t value, int reg) {
  const Xmm target = vector(reg);
  if (!is_part(value)) {
    vmovupd(target, memory_of(value));
    return;
  }
  const CodeOperand& rows = body_->operands[steps()[value].index];
  mov(rax, field(last_row));
  broadcast(reg, rows_of(rows, rax));
  if (wide_) {
    vmovupd(target | tail_mask(), rows_of(rows, rbx));
  } else {
    vmaskmovpd(scratch(), tail_vector(), rows_of(rows, rbx));
    vblendvpd(target, target, scratch(), tail_vector());
  }
}

void MachineCode::Assembler::broadcast(int reg, const Address& number) {
  wide_ ? vbroadcastsd(Zmm(reg), number) : vbroadcastsd(Ymm(reg), number);
}

void MachineCode::Assembler::clear(const Xmm& reg) { wide_ ? vpxorq(reg, reg, reg) : vxorpd(reg, reg, reg); }

MachineCode::Assembler::Address MachineCode::Assembler::rows_of(const CodeOperand& operand, const Reg64& row,
                                                                std::size_t batch) {
  const std::optional<Reg64>& reg = pointer_registers_[operand.pointer];
  if (!reg) mov(r11, pointer_field(operand.pointer));
  const auto doubles = operand.offset + static_cast<std::ptrdiff_t>(batch * batch_);
  return ptr[reg.value_or(r11) + row * 8 + static_cast<std::size_t>(doubles * 8)];
}

MachineCode::Assembler::Address MachineCode::Assembler::number_at(const CodeOperand& operand) {
  mov(rax, pointer_field(operand.pointer));
  return ptr[rax + static_cast<std::size_t>(operand.offset * 8)];
}

/// Where a value lies that is in memory.
MachineCode::Assembler::Address MachineCode::Assembler::memory_of(std::size_t value) {
  const Step& step = steps()[value];
  if (places_[value].slot >= 0) return slot(places_[value].slot);
  if (step.op == Op::constant) return constant_bits(std::bit_cast<std::uint64_t>(step.number));
  const CodeOperand& operand = body_->operands[step.index];
  return operand.per_row ? rows_of(operand, rbx, step.batch) : slot(number_slots_.at(step.index));
}

int MachineCode::Assembler::new_slot() {
  if (free_slots_.empty()) return num_slots_++;
  const int number = free_slots_.back();
  free_slots_.pop_back();
  return number;
}

}  // namespace allgrad
