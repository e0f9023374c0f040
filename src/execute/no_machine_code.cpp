#include "allgrad/error.hpp"
#include "execute/machine_code.hpp"

namespace allgrad {

class MachineCode::Assembler {};

MachineCode::MachineCode(std::size_t) { throw InternalError("machine code for a processor that there is none for"); }
MachineCode::~MachineCode() = default;
MachineCode::MachineCode(MachineCode&&) noexcept = default;
MachineCode& MachineCode::operator=(MachineCode&&) noexcept = default;

std::size_t MachineCode::add(const CodeBody&) { return 0; }
void MachineCode::finish() {}
CodeFunction MachineCode::function(std::size_t) const { return nullptr; }
std::size_t MachineCode::num_bytes() const { return 0; }
bool MachineCode::is_possible() { return false; }

}  // namespace allgrad
