#include "execute/machine_code.hpp"

#include "execute/x86_64/assembler.hpp"

namespace allgrad {

MachineCode::MachineCode(std::size_t doubles_per_register)
    : assembler_(std::make_unique<Assembler>(doubles_per_register)) {}
MachineCode::~MachineCode() = default;
MachineCode::MachineCode(MachineCode&&) noexcept = default;
MachineCode& MachineCode::operator=(MachineCode&&) noexcept = default;

std::size_t MachineCode::add(const CodeBody& body) { return assembler_->write(body); }
void MachineCode::finish() { assembler_->finish(); }
std::size_t MachineCode::num_bytes() const { return assembler_->getSize(); }

CodeFunction MachineCode::function(std::size_t number) const {
  return reinterpret_cast<CodeFunction>(reinterpret_cast<std::uintptr_t>(assembler_->start(number)));
}

bool MachineCode::is_possible() {
  static const bool possible = [] {
    try {
      Xbyak::CodeGenerator code(4096, Xbyak::AutoGrow);
      code.ret();
      code.ready(Xbyak::CodeGenerator::PROTECT_RE);
      return true;
    } catch (const Xbyak::Error&) {
      return false;
    }
  }();
  return possible;
}

}  // namespace allgrad
