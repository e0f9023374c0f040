// A function: its frame, its loops over lanes and rows, and what is added up behind them.
#include <algorithm>
#include <limits>
#include <numeric>

#include "execute/two_batches.hpp"
#include "execute/x86_64/assembler.hpp"

namespace allgrad {

namespace {

std::uint64_t bytes(std::ptrdiff_t doubles) { return static_cast<std::uint64_t>(doubles) * sizeof(double); }

}  // namespace

MachineCode::Assembler::Assembler(std::size_t doubles_per_register)
    : CodeGenerator(1 << 14, Xbyak::AutoGrow), wide_(doubles_per_register == 8), batch_(doubles_per_register) {}

std::size_t MachineCode::Assembler::write(const CodeBody& body) {
  body_ = &body;
  constants_.clear();
  place_operands(std::ranges::any_of(body.program.steps(), [](const Step& step) { return step.op == Op::call; }));
  align(16);
  starts_.push_back(getSize());
  enter();
  write_lanes();
  leave();
  rewrite(frame_size_at_, static_cast<std::uint64_t>(slots_at_ + most_slots_ * 64), sizeof(std::int32_t));
  write_constants();
  return starts_.size() - 1;
}

/// Gives pointers registers as long as there are some, and single numbers and sums slots. Sums are in registers where
/// no function is called.
void MachineCode::Assembler::place_operands(bool calls) {
  pointer_registers_.assign(body_->lane_strides.size(), std::nullopt);
  number_slots_.clear();
  free_slots_.clear();
  num_slots_ = 0;
  std::vector<Reg64> free = {rbp, r15, r14, r13, r12};
  if (!calls) free.insert(free.begin(), {r10, r9, r8, rdx, rcx, rsi, rdi});
  for (const Step& step : body_->program.steps()) {
    if (step.op != Op::load && step.op != Op::store) continue;
    const CodeOperand& operand = body_->operands[step.index];
    if (!operand.per_row) {
      if (!number_slots_.contains(step.index)) number_slots_.emplace(step.index, new_slot());
    } else if (!free.empty() && !pointer_registers_[operand.pointer]) {
      pointer_registers_[operand.pointer] = free.back();
      free.pop_back();
    }
  }
  num_vectors_ = wide_ ? 31 : 14;            // others are scratch
  const int least_vectors = wide_ ? 16 : 9;  // for all other values
  sum_slots_.assign(body_->sums.size(), -1);
  sum_registers_.assign(body_->sums.size(), -1);
  for (std::size_t k = 0; k < body_->sums.size(); ++k) {
    if (!calls && num_vectors_ > least_vectors) {
      sum_registers_[k] = --num_vectors_;
    } else {
      sum_slots_[k] = new_slot();
    }
  }
  tail_slot_ = new_slot();
  first_body_slot_ = most_slots_ = num_slots_;
  slots_at_ = static_cast<int>((num_fields + body_->lane_strides.size() + 7) / 8 * 64);
}

void MachineCode::Assembler::enter() {
  for (const Reg64& reg : {rbx, rbp, r12, r13, r14, r15}) push(reg);
  mov(rax, rsp);
  and_(rsp, ~std::uint32_t{63});
  sub(rsp, std::numeric_limits<std::int32_t>::max());  // as many as are used in the end
  frame_size_at_ = getSize() - sizeof(std::int32_t);
  mov(field(saved_stack), rax);
  mov(field(lanes_left), rsi);
  mov(field(num_rows), rdx);
  lea(rax, ptr[rdx - 1]);
  mov(field(last_row), rax);
  and_(rdx, ~static_cast<std::uint32_t>(batch_ - 1));
  mov(field(full_rows), rdx);
  and_(rdx, ~static_cast<std::uint32_t>(2 * batch_ - 1));
  mov(field(even_rows), rdx);
  for (std::size_t k = 0; k < body_->lane_strides.size(); ++k) {
    mov(rax, ptr[rdi + 8 * k]);
    mov(pointer_field(k), rax);
  }
}

void MachineCode::Assembler::leave() {
  mov(rsp, field(saved_stack));
  for (const Reg64& reg : {r15, r14, r13, r12, rbp, rbx}) pop(reg);
  vzeroupper();
  ret();
}

void MachineCode::Assembler::write_lanes() {
  Xbyak::Label next_lane;
  L(next_lane);
  prepare_lane();
  write_rows();
  add_up_sums();
  for (std::size_t k = 0; k < body_->lane_strides.size(); ++k) {
    if (body_->lane_strides[k] == 0) continue;
    mov(rax, bytes(body_->lane_strides[k]));
    add(pointer_field(k), rax);
  }
  dec(field(lanes_left));
  jnz(next_lane, T_NEAR);
}

/// Two batches at a time, where that is worth it, then one, then what is left.
void MachineCode::Assembler::write_rows() {
  Xbyak::Label two, one, next, tail, done;
  const std::vector<Step>& single = body_->program.steps();
  xor_(ebx, ebx);
  if (waits_much(body_->program)) {
    const auto is_same = [this](std::size_t operand) { return !body_->operands[operand].per_row; };
    const std::vector<Step> both = two_batches(body_->program, is_same);
    cmp(rbx, field(even_rows));
    je(one, T_NEAR);
    align(16);
    L(two);
    fetch_ahead(both);
    write_body(both, false);
    add(rbx, static_cast<std::uint32_t>(2 * batch_));
    cmp(rbx, field(even_rows));
    jb(two, T_NEAR);
  }
  L(one);
  cmp(rbx, field(full_rows));
  je(tail, T_NEAR);
  align(16);
  L(next);
  fetch_ahead(single);
  write_body(single, false);
  add(rbx, static_cast<std::uint32_t>(batch_));
  cmp(rbx, field(full_rows));
  jb(next, T_NEAR);
  L(tail);
  cmp(rbx, field(num_rows));
  je(done, T_NEAR);
  prepare_tail();
  write_body(single, true);
  L(done);
}

/// Tables that are read or added to at any place keep the processor from seeing which rows come next.
void MachineCode::Assembler::fetch_ahead(const std::vector<Step>& steps) {
  constexpr std::ptrdiff_t rows_ahead = 64;
  const auto reaches_table = [](const Step& step) { return step.op == Op::gather || step.op == Op::scatter; };
  if (std::ranges::none_of(steps, reaches_table)) return;
  for (const Step& step : steps) {
    if (step.op != Op::load || !body_->operands[step.index].per_row) continue;
    CodeOperand later = body_->operands[step.index];
    later.offset += rows_ahead;
    prefetcht0(rows_of(later, rbx, step.batch));
  }
}

/// Pointers to registers, single numbers to whole registers of them, and sums to zero.
void MachineCode::Assembler::prepare_lane() {
  for (std::size_t k = 0; k < pointer_registers_.size(); ++k) {
    if (pointer_registers_[k]) mov(*pointer_registers_[k], pointer_field(k));
  }
  for (const auto& [operand, place] : number_slots_) {
    broadcast(0, number_at(body_->operands[operand]));
    vmovapd(slot(place), vector(0));
  }
  clear(vector(0));
  for (const int place : sum_slots_) {
    if (place >= 0) vmovapd(slot(place), vector(0));
  }
  for (const int reg : sum_registers_) {
    if (reg >= 0) clear(vector(reg));
  }
}

/// A mask of as many rows as are left.
void MachineCode::Assembler::prepare_tail() {
  const bool rcx_is_pointer =
      std::ranges::any_of(pointer_registers_, [this](const auto& reg) { return reg && *reg == rcx; });
  if (rcx_is_pointer) mov(r11, rcx);
  mov(rcx, field(num_rows));
  sub(rcx, rbx);
  if (wide_) {
    mov(eax, 1);
    shl(eax, cl);
    dec(eax);
    mov(field(tail_bits), rax);
    kmovw(tail_mask(), eax);
  } else {  // from four words of ones and four of zeros
    Xbyak::Label words, behind;
    lea(rax, ptr[rip + words]);
    shl(rcx, 3);
    sub(rax, rcx);
    vmovupd(tail_vector(), ptr[rax + 32]);
    vmovapd(slot(tail_slot_), tail_vector());
    jmp(behind, T_NEAR);
    align(8);
    L(words);
    for (int k = 0; k < 8; ++k) dq(k < 4 ? ~std::uint64_t{0} : 0);
    L(behind);
  }
  if (rcx_is_pointer) mov(rcx, r11);
}

/// Adds the numbers of each sum up, halves to halves, and to what is in memory.
void MachineCode::Assembler::add_up_sums() {
  const Xmm first(0), second(1);
  for (std::size_t k = 0; k < body_->sums.size(); ++k) {
    const int reg = std::max(sum_registers_[k], 0);
    if (sum_slots_[k] >= 0) vmovapd(vector(reg), slot(sum_slots_[k]));
    if (wide_) {
      vextractf64x4(Ymm(1), Zmm(reg), 1);
      vaddpd(Ymm(0), Ymm(reg), Ymm(1));
    } else if (reg != 0) {
      vmovapd(Ymm(0), Ymm(reg));
    }
    vextractf128(second, Ymm(0), 1);
    vaddpd(first, first, second);
    vunpckhpd(second, first, first);
    vaddsd(first, first, second);
    const Address sum = number_at(body_->sums[k]);
    vaddsd(first, first, sum);
    vmovsd(sum, first);
  }
}

/// Each constant fills a register.
void MachineCode::Assembler::write_constants() {
  align(64);
  for (auto& [bits, label] : constants_) {
    L(label);
    for (std::size_t k = 0; k < batch_; ++k) dq(bits);
  }
}

void MachineCode::Assembler::list_uses() {
  const auto for_each_use = [this](auto note) {
    for (std::size_t i = 0; i < steps().size(); ++i) {
      for (const int operand : steps()[i].in) {
        if (operand != BatchProgram::none) note(static_cast<std::size_t>(operand), i);
      }
    }
  };
  last_uses_.assign(steps().size(), 0);
  for_each_use([this](std::size_t value, std::size_t) { ++last_uses_[value]; });
  next_uses_.resize(steps().size());
  std::exclusive_scan(last_uses_.begin(), last_uses_.end(), next_uses_.begin(), std::size_t{0});
  last_uses_ = next_uses_;
  uses_.resize(3 * steps().size());
  for_each_use([this](std::size_t value, std::size_t step) { uses_[last_uses_[value]++] = step; });
}

void MachineCode::Assembler::write_body(const std::vector<Step>& steps, bool tail) {
  steps_ = &steps;
  tail_ = tail;
  list_uses();
  places_.assign(steps.size(), {});
  vector_owner_.assign(static_cast<std::size_t>(num_vectors_), -1);
  mask_owner_.assign(static_cast<std::size_t>(tail_mask().getIdx()), -1);
  num_slots_ = first_body_slot_;
  free_slots_.clear();
  freed_slots_.clear();
  for (std::size_t i = 0; i < steps.size(); ++i) write_step(i);
  most_slots_ = std::max(most_slots_, num_slots_);
}

}  // namespace allgrad
