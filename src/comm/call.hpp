#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "allgrad/communicator.hpp"
#include "allgrad/source_location.hpp"

namespace allgrad {

/// While one lives, the user is in a collective function of the library, called by its name on his line: errors about
/// what ranks do speak of it, and ranks that are in different ones differ. Of several of one thread the outermost
/// counts. It keeps the communicator for its thread: throws ArgumentError where another one is using it.
class Call {
 public:
  /// `name` is a literal.
  Call(std::string_view name, SourceLocation where, const Communicator& comm);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  /// Null where this thread is in none.
  static const Call* outermost();

  std::string_view name() const { return name_; }
  const SourceLocation& where() const { return where_; }

  /// A hash of the name.
  std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  std::string_view name_;
  std::uint64_t fingerprint_ = 0;
  SourceLocation where_;
  Communicator comm_;
  bool is_outermost_;
};

/// What a collective function of the library does, in a Call: what `body` throws on this rank is raised on all.
template <class F>
decltype(auto) in_call(std::string_view name, SourceLocation where, const Communicator& comm, F&& body) {
  const Call call(name, where, comm);
  return comm.attempt(std::forward<F>(body));
}

/// "run_adam (fit.cpp:31), in a step of Adam", or the operation alone where the user is in no call.
std::string describe_call(const Operation& operation);

/// A hash of the operation and of the call that it is in.
std::uint64_t fingerprint_with_call(const Operation& operation);

/// The user's line: of the call, or of the operation.
SourceLocation line_of(const Operation& operation);

}  // namespace allgrad
