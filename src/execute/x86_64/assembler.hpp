#pragma once

#include <xbyak/xbyak.h>

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "execute/machine_code.hpp"

namespace allgrad {

/// Writes functions for AVX2, or for AVX-512. Steps are written in their order; a value stays in a register until that
/// is needed for a value that is used sooner, or a function is called, which keeps no registers.
///
/// General registers: rbx is the row, rax and r11 are for an instruction or two, others are pointers to rows. The frame
/// on the stack has the fields below, the pointers, and behind them slots, each of the size of a register.
class MachineCode::Assembler : public Xbyak::CodeGenerator {
 public:
  explicit Assembler(std::size_t doubles_per_register);

  std::size_t write(const CodeBody& body);
  void finish() { ready(Xbyak::CodeGenerator::PROTECT_RE); }
  const std::uint8_t* start(std::size_t number) const { return getCode() + starts_[number]; }

 private:
  using Op = BatchProgram::Op;
  using Step = BatchProgram::Step;
  using Address = Xbyak::Address;
  using Opmask = Xbyak::Opmask;
  using Operand = Xbyak::Operand;
  using Reg64 = Xbyak::Reg64;
  using Xmm = Xbyak::Xmm;
  using Ymm = Xbyak::Ymm;
  using Zmm = Xbyak::Zmm;

  enum Field { saved_stack, lanes_left, num_rows, even_rows, full_rows, last_row, tail_bits, row_bits, num_fields = 8 };

  // A function: all lanes, and in each all rows, in batches.
  void place_operands(bool calls);
  void enter();
  void leave();
  void write_lanes();
  void write_rows();
  void fetch_ahead(const std::vector<Step>& steps);
  void prepare_lane();
  void prepare_tail();
  void add_up_sums();
  void write_constants();
  void write_body(const std::vector<Step>& steps, bool tail);
  void list_uses();

  // Steps.
  void write_step(std::size_t i);
  void write_arithmetic(std::size_t i);
  void write_sign_bit(std::size_t i);
  void write_rounding(std::size_t i, std::uint8_t mode);
  void write_comparison(std::size_t i, std::uint8_t predicate);
  void write_mask(std::size_t i);
  void write_select(std::size_t i);
  void write_masked_product(std::size_t i);
  void write_store(std::size_t i);
  void write_sum(std::size_t i);
  void write_gather(std::size_t i);
  void write_scatter(std::size_t i);
  void restore_tail();
  void write_call(std::size_t i);
  void move_arguments();
  template <class Write>
  void write_unary(std::size_t i, Write write);
  template <class Write>
  void write_binary(std::size_t i, Write write, bool commutes = false);

  // Where values are.
  struct Place {
    int reg = -1;
    int slot = -1;
  };
  const std::vector<Step>& steps() const { return *steps_; }
  std::size_t in(std::size_t step, std::size_t k) const { return static_cast<std::size_t>(steps()[step].in[k]); }
  bool has(std::size_t step, std::size_t k) const { return steps()[step].in[k] != BatchProgram::none; }
  bool uses_mask_registers(std::size_t value) const { return wide_ && steps()[value].is_mask(); }
  bool is_in_memory(std::size_t value) const;
  bool is_part(std::size_t value) const;
  int next_use(std::size_t value) const;

  // Registers. `operand` is a register or memory, valid until it is asked again.
  int take_register(bool mask);
  int give_register(std::size_t value);
  void evict(std::size_t value);
  void save(std::size_t value);
  void release(std::size_t value);
  void use_operands(std::size_t i);
  Xmm result(std::size_t i);
  Opmask mask_result(std::size_t i);
  Xmm in_register(std::size_t value);
  Opmask in_mask(std::size_t value);
  const Operand& operand(std::size_t value);
  void load(std::size_t value, int reg);
  void broadcast(int reg, const Address& number);
  void clear(const Xmm& reg);
  Xmm vector(int number) const { return wide_ ? static_cast<Xmm>(Zmm(number)) : static_cast<Xmm>(Ymm(number)); }
  Xmm scratch() const { return vector(wide_ ? 31 : 15); }
  Xmm tail_vector() const { return vector(14); }
  static Opmask tail_mask() { return Opmask(7); }

  // Memory.
  Address field(std::size_t number) { return qword[rsp + number * 8]; }
  Address pointer_field(std::size_t pointer) { return field(num_fields + pointer); }
  Xbyak::RegExp slot_at(int number) { return rsp + static_cast<std::size_t>(slots_at_ + number * 64); }
  Address slot(int number) { return ptr[slot_at(number)]; }
  Address mask_slot(int number) { return word[slot_at(number)]; }
  Address rows_of(const CodeOperand& operand, const Reg64& row, std::size_t batch = 0);
  Address number_at(const CodeOperand& operand);
  Address constant_bits(std::uint64_t bits) { return ptr[rip + constants_[bits]]; }
  Address memory_of(std::size_t value);
  int new_slot();

  bool wide_;
  std::size_t batch_;
  std::vector<std::size_t> starts_;

  // Of the function at hand.
  const CodeBody* body_ = nullptr;
  std::map<std::uint64_t, Xbyak::Label> constants_;
  std::vector<std::optional<Reg64>> pointer_registers_;  // of each pointer
  std::map<std::size_t, int> number_slots_;              // of operands that are one number
  std::vector<int> sum_slots_, sum_registers_;           // each sum has one of them
  int slots_at_ = 0, num_slots_ = 0, most_slots_ = 0, first_body_slot_ = 0, tail_slot_ = 0, num_vectors_ = 0;
  std::size_t frame_size_at_ = 0;  // where the code has it

  // Of the body at hand.
  const std::vector<Step>* steps_ = nullptr;
  bool tail_ = false;
  std::vector<std::size_t> uses_;       // the steps that use each step, one step's after the other's
  std::vector<std::size_t> next_uses_;  // of each step, which of these is the next, and
  std::vector<std::size_t> last_uses_;  // where they end
  std::vector<Place> places_;
  std::vector<int> vector_owner_, mask_owner_;  // the value in each register, or -1
  std::vector<std::size_t> pinned_;             // values that the step at hand reads
  std::vector<std::size_t> held_;               // values in registers when a function is called
  std::vector<int> free_slots_, freed_slots_;   // freed by the step at hand, which may still read them
  Address memory_{0};
  Xmm register_;
};

}  // namespace allgrad
