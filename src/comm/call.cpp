#include "comm/call.hpp"

#include <fmt/format.h>

#include "base/fingerprint.hpp"
#include "comm/comm_state.hpp"

namespace allgrad {

namespace {

thread_local const Call* outermost_call = nullptr;

std::string with_line(std::string_view name, const SourceLocation& where) {
  return where.known() ? fmt::format("{} ({})", name, where.str()) : std::string(name);
}

}  // namespace

Call::Call(std::string_view name, SourceLocation where, const Communicator& comm)
    : name_(name), where_(where), comm_(comm), is_outermost_(outermost_call == nullptr) {
  CommAccess::state(comm_).turn.take(where);
  if (!is_outermost_) return;
  Fingerprint hash;
  hash.add(name_);
  fingerprint_ = hash.value();
  outermost_call = this;
}

Call::~Call() {
  if (is_outermost_) outermost_call = nullptr;
  CommAccess::state(comm_).turn.give_back();
}

const Call* Call::outermost() { return outermost_call; }

std::string describe_call(const Operation& operation) {
  std::string text;
  if (const Call* call = Call::outermost()) {
    text = fmt::format("{}, in {}", with_line(call->name(), call->where()), operation.what());
  } else {
    text = with_line(operation.what(), operation.where());
  }
  if (const std::string details = operation.details(); !details.empty()) text += ", " + details;
  return text;
}

SourceLocation line_of(const Operation& operation) {
  const Call* call = Call::outermost();
  return call != nullptr && call->where().known() ? call->where() : operation.where();
}

std::uint64_t fingerprint_with_call(const Operation& operation) {
  const Call* call = Call::outermost();
  Fingerprint hash;
  hash.add(call == nullptr ? 0 : call->fingerprint());
  hash.add(operation.fingerprint());
  return hash.value();
}

}  // namespace allgrad
