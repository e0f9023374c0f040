// The instructions of each step.
#include <algorithm>

#include "execute/x86_64/assembler.hpp"

namespace allgrad {

namespace {

constexpr std::uint64_t sign_mask = std::uint64_t{1} << 63;

}  // namespace

void MachineCode::Assembler::write_step(std::size_t i) {
  const Step& step = steps()[i];
  free_slots_.insert(free_slots_.end(), freed_slots_.begin(), freed_slots_.end());
  freed_slots_.clear();
  pinned_.clear();
  for (const int operand : step.in) {
    if (operand != BatchProgram::none) pinned_.push_back(static_cast<std::size_t>(operand));
  }
  switch (step.op) {
    case Op::load:
    case Op::constant: break;  // read where it is used
    case Op::copy:
    case Op::sqrt:
    case Op::add:
    case Op::subtract:
    case Op::multiply:
    case Op::divide:
    case Op::maximum:
    case Op::minimum: write_arithmetic(i); break;
    case Op::negate:
    case Op::abs: write_sign_bit(i); break;
    case Op::rint: write_rounding(i, 0); break;
    case Op::floor: write_rounding(i, 1); break;
    case Op::ceil: write_rounding(i, 2); break;
    case Op::trunc: write_rounding(i, 3); break;
    case Op::equal: write_comparison(i, 0x00); break;  // ordered, quiet, as the next two
    case Op::less: write_comparison(i, 0x11); break;
    case Op::less_equal: write_comparison(i, 0x12); break;
    case Op::not_equal: write_comparison(i, 0x04); break;  // unordered, quiet
    case Op::mask_and:
    case Op::mask_or:
    case Op::mask_not: write_mask(i); break;
    case Op::select: write_select(i); break;
    case Op::masked_product: write_masked_product(i); break;
    case Op::gather: write_gather(i); break;
    case Op::call: write_call(i); break;
    case Op::store: write_store(i); break;
    case Op::accumulate: write_sum(i); break;
    case Op::scatter: write_scatter(i); break;
  }
}

template <class Write>
void MachineCode::Assembler::write_unary(std::size_t i, Write write) {
  const Operand& x = operand(in(i, 0));
  write(result(i), x);
}

template <class Write>
void MachineCode::Assembler::write_binary(std::size_t i, Write write, bool commutes) {
  std::size_t first = in(i, 0), second = in(i, 1);
  if (commutes && places_[first].reg < 0 && places_[second].reg >= 0) std::swap(first, second);
  const Xmm x = in_register(first);
  const Operand& y = operand(second);
  write(result(i), x, y);
}

void MachineCode::Assembler::write_arithmetic(std::size_t i) {
  switch (steps()[i].op) {
    case Op::copy: return write_unary(i, [this](const auto&... a) { vmovupd(a...); });
    case Op::sqrt: return write_unary(i, [this](const auto&... a) { vsqrtpd(a...); });
    case Op::add:
      return write_binary(
          i, [this](const auto&... a) { vaddpd(a...); }, true);
    case Op::subtract: return write_binary(i, [this](const auto&... a) { vsubpd(a...); });
    case Op::multiply:
      return write_binary(
          i, [this](const auto&... a) { vmulpd(a...); }, true);
    case Op::divide: return write_binary(i, [this](const auto&... a) { vdivpd(a...); });
    case Op::maximum: return write_binary(i, [this](const auto&... a) { vmaxpd(a...); });
    default: return write_binary(i, [this](const auto&... a) { vminpd(a...); });
  }
}

void MachineCode::Assembler::write_sign_bit(std::size_t i) {
  const Xmm x = in_register(in(i, 0));
  if (steps()[i].op == Op::negate) {
    const Address sign = constant_bits(sign_mask);
    wide_ ? vpxorq(result(i), x, sign) : vxorpd(result(i), x, sign);
  } else {
    const Address others = constant_bits(~sign_mask);
    wide_ ? vpandq(result(i), x, others) : vandpd(result(i), x, others);
  }
}

void MachineCode::Assembler::write_rounding(std::size_t i, std::uint8_t mode) {
  constexpr std::uint8_t quiet = 8;
  write_unary(i, [&](const Xmm& out, const Operand& x) {
    wide_ ? vrndscalepd(out, x, mode | quiet) : vroundpd(out, x, mode | quiet);
  });
}

void MachineCode::Assembler::write_comparison(std::size_t i, std::uint8_t predicate) {
  const Xmm x = in_register(in(i, 0));
  const Opmask within = wide_ && has(i, 2) ? in_mask(in(i, 2)) : Opmask(0);
  const Xmm within_vector = !wide_ && has(i, 2) ? in_register(in(i, 2)) : Xmm();
  const Operand& y = operand(in(i, 1));
  if (wide_) {
    vcmppd(mask_result(i) | within, x, y, predicate);
  } else if (!has(i, 2)) {
    vcmppd(result(i), x, y, predicate);
  } else {
    vcmppd(scratch(), x, y, predicate);
    vandpd(result(i), within_vector, scratch());
  }
}

void MachineCode::Assembler::write_mask(std::size_t i) {
  const Op op = steps()[i].op;
  if (!wide_) {
    if (op == Op::mask_and) return write_binary(i, [this](const auto&... a) { vandpd(a...); });
    if (op == Op::mask_or) return write_binary(i, [this](const auto&... a) { vorpd(a...); });
    const Xmm x = in_register(in(i, 0));
    const Address ones = constant_bits(~std::uint64_t{0});
    return vxorpd(result(i), x, ones);
  }
  const Opmask x = in_mask(in(i, 0));
  if (op == Op::mask_not) return knotw(mask_result(i), x);
  const Opmask y = in_mask(in(i, 1));
  op == Op::mask_and ? kandw(mask_result(i), x, y) : korw(mask_result(i), x, y);
}

void MachineCode::Assembler::write_select(std::size_t i) {
  const bool is_zero = steps()[in(i, 2)].is_constant(0.0);
  const Xmm y = is_zero ? Xmm() : in_register(in(i, 2));
  if (wide_) {
    const Opmask mask = in_mask(in(i, 0));
    const Operand& x = operand(in(i, 1));
    is_zero ? vmovupd(result(i) | mask | T_z, x) : vblendmpd(result(i) | mask, y, x);
  } else {
    const Xmm mask = in_register(in(i, 0));
    const Operand& x = operand(in(i, 1));
    is_zero ? vandpd(result(i), mask, x) : vblendvpd(result(i), y, x, mask);
  }
}

void MachineCode::Assembler::write_masked_product(std::size_t i) {
  const Xmm x = in_register(in(i, 1));
  if (wide_) {
    const Opmask mask = in_mask(in(i, 0));
    const Operand& y = operand(in(i, 2));
    vmulpd(result(i) | mask | T_z, x, y);
  } else {
    const Xmm mask = in_register(in(i, 0));
    const Operand& y = operand(in(i, 2));
    vmulpd(scratch(), x, y);
    vandpd(result(i), mask, scratch());
  }
}

void MachineCode::Assembler::write_store(std::size_t i) {
  const Step& step = steps()[i];
  const Xmm x = in_register(in(i, 0));
  const Address rows = rows_of(body_->operands[step.index], rbx, step.batch);
  if (!tail_) {
    vmovupd(rows, x);
  } else if (wide_) {
    vmovupd(rows | tail_mask(), x);
  } else {
    vmaskmovpd(rows, tail_vector(), x);
  }
  use_operands(i);
}

void MachineCode::Assembler::write_sum(std::size_t i) {
  const std::size_t k = steps()[i].index;
  const int place = sum_slots_[k];
  const Xmm sum = place >= 0 ? scratch() : vector(sum_registers_[k]);
  if (wide_ && !tail_ && !has(i, 1) && place >= 0) {
    const Xmm x = in_register(in(i, 0));
    vaddpd(sum, x, slot(place));
  } else if (wide_) {
    if (place >= 0) vmovapd(sum, slot(place));
    const Xmm x = in_register(in(i, 0));
    Opmask rows = tail_ ? tail_mask() : Opmask(0);
    if (has(i, 1)) {
      const Opmask mask = in_mask(in(i, 1));
      rows = tail_ ? Opmask(take_register(true)) : mask;
      if (tail_) kandw(rows, mask, tail_mask());
    }
    vaddpd(sum | rows, sum, x);
  } else {
    Xmm x = in_register(in(i, 0));
    if (has(i, 1)) {
      vandpd(scratch(), x, in_register(in(i, 1)));
      x = scratch();
    }
    if (tail_) {
      vandpd(scratch(), x, tail_vector());
      x = scratch();
    }
    place >= 0 ? vaddpd(sum, x, slot(place)) : vaddpd(sum, sum, x);
  }
  if (place >= 0) vmovapd(slot(place), sum);
  use_operands(i);
}

/// The processor takes away the bits of a mask by which it gathers, so it is given a copy.
void MachineCode::Assembler::write_gather(std::size_t i) {
  const CodeOperand& table = body_->operands[steps()[i].index];
  const Xmm positions = in_register(in(i, 1));
  mov(r11, pointer_field(table.pointer));
  const auto element = [&](const Xmm& integers) {
    return ptr[r11 + integers * 8 + static_cast<std::size_t>(table.offset * 8)];
  };
  if (wide_) {
    const Opmask mask = in_mask(in(i, 0));
    const Opmask wanted(take_register(true));
    kmovw(wanted, mask);
    const Ymm integers(scratch().getIdx());
    vcvttpd2dq(integers, positions);
    const Xmm out = result(i);
    clear(out);
    vgatherdpd(out | wanted, element(integers));
  } else {
    vmovapd(tail_vector(), in_register(in(i, 0)));
    const Xmm integers(scratch().getIdx());
    vcvttpd2dq(integers, positions);
    const Xmm out = result(i);
    clear(out);
    vgatherdpd(out, element(integers), tail_vector());
    restore_tail();
  }
}

/// Row by row, since several may add to one number of the table. Where there are two terms, those of a row are put side
/// by side: of even rows in one register, of odd ones in another.
void MachineCode::Assembler::write_scatter(std::size_t i) {
  const CodeOperand& table = body_->operands[steps()[i].index];
  const bool has_two = has(i, 3);
  const int integers = new_slot(), terms = new_slot(), odd_terms = has_two ? new_slot() : terms;
  const Xmm x = in_register(in(i, 0));
  if (has_two) {
    const Xmm y = in_register(in(i, 3));
    vunpckhpd(scratch(), x, y);
    vmovapd(slot(odd_terms), scratch());
    vunpcklpd(scratch(), x, y);
    vmovapd(slot(terms), scratch());
  } else {
    vmovapd(slot(terms), x);
  }
  if (wide_) {
    vcvttpd2dq(Ymm(scratch().getIdx()), in_register(in(i, 1)));
    vmovapd(slot(integers), Ymm(scratch().getIdx()));
    Opmask rows = in_mask(in(i, 2));
    if (tail_) {
      const Opmask mask = rows;
      rows = Opmask(take_register(true));
      kandw(rows, mask, tail_mask());
    }
    kmovw(eax, rows);
  } else {
    vcvttpd2dq(Xmm(scratch().getIdx()), in_register(in(i, 1)));
    vmovapd(slot(integers), Xmm(scratch().getIdx()));
    Xmm rows = in_register(in(i, 2));
    if (tail_) {
      vandpd(scratch(), rows, tail_vector());
      rows = scratch();
    }
    vmovmskpd(eax, Ymm(rows.getIdx()));
  }
  mov(r11, pointer_field(table.pointer));
  const auto add_row = [&](std::size_t row) {
    const Xmm sum(scratch().getIdx());
    mov(eax, dword[slot_at(integers) + row * sizeof(std::int32_t)]);
    const Address element = ptr[r11 + rax * 8 + static_cast<std::size_t>(table.offset * 8)];
    if (has_two) {
      vmovupd(sum, element);
      vaddpd(sum, sum, ptr[slot_at(row % 2 == 0 ? terms : odd_terms) + row / 2 * 2 * sizeof(double)]);
      vmovupd(element, sum);
    } else {
      vmovsd(sum, element);
      vaddsd(sum, sum, ptr[slot_at(terms) + row * sizeof(double)]);
      vmovsd(element, sum);
    }
  };
  Xbyak::Label some, done;
  cmp(eax, static_cast<std::uint32_t>((1U << batch_) - 1));
  jne(some, T_NEAR);
  for (std::size_t row = 0; row < batch_; ++row) add_row(row);
  jmp(done, T_NEAR);
  L(some);
  mov(field(row_bits), rax);
  for (std::size_t row = 0; row < batch_; ++row) {
    Xbyak::Label next;
    test(byte[rsp + row_bits * 8], static_cast<std::uint32_t>(1U << row));
    jz(next);
    add_row(row);
    L(next);
  }
  L(done);
  free_slots_.insert(free_slots_.end(), {terms, integers});
  if (has_two) free_slots_.push_back(odd_terms);
  use_operands(i);
}

/// To be called where the register that tells how many rows are left was used for something else.
void MachineCode::Assembler::restore_tail() {
  if (tail_ && wide_) {
    mov(eax, dword[rsp + tail_bits * 8]);
    kmovw(tail_mask(), eax);
  } else if (tail_) {
    vmovapd(tail_vector(), slot(tail_slot_));
  }
}

/// A function takes its operands in the first registers, returns its value in the first one and keeps none.
void MachineCode::Assembler::write_call(std::size_t i) {
  const Step& step = steps()[i];
  for (const std::size_t argument : pinned_) ++next_uses_[argument];
  held_.clear();
  for (const std::vector<int>* owners : {&vector_owner_, &mask_owner_}) {
    for (const int owner : *owners) {
      if (owner >= 0) held_.push_back(static_cast<std::size_t>(owner));
    }
  }
  for (const std::size_t value : held_) {
    if (next_use(value) >= 0) save(value);
  }
  move_arguments();
  for (const std::size_t value : held_) release(value);
  for (const std::size_t argument : pinned_) release(argument);
  mov(rax, reinterpret_cast<std::size_t>(body_->functions[step.index]));
  call(rax);
  restore_tail();
  vector_owner_[0] = static_cast<int>(i);
  places_[i].reg = 0;
}

/// Of the step at hand.
void MachineCode::Assembler::move_arguments() {
  const std::vector<std::size_t>& arguments = pinned_;
  for (std::size_t k = 0; k < arguments.size(); ++k) {
    const auto reg = static_cast<int>(k);
    const std::size_t argument = arguments[k];
    if (places_[argument].reg == reg) continue;
    for (std::size_t later = k + 1; later < arguments.size(); ++later) {
      Place& place = places_[arguments[later]];
      if (place.reg != reg) continue;  // is it in the way of this one?
      save(arguments[later]);
      place.reg = -1;
      vector_owner_[k] = -1;
    }
    if (places_[argument].reg >= 0) {
      vmovapd(vector(reg), vector(places_[argument].reg));
    } else {
      load(argument, reg);
    }
  }
}

}  // namespace allgrad
