#pragma once

#include <string_view>

namespace allgrad {

/// While one lives, SIGINT (Ctrl-C) and SIGTERM (as batch systems send) are noted instead of ending the process. The
/// second of a kind gets the system's default behaviour. The last one to go restores the former handlers and passes
/// them a signal that nobody has asked for. A signal that is ignored stays so. Any thread may have one.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// The name of the signal that was noted since the first of the guards that live; empty where there was none.
  static std::string_view signal();
};

}  // namespace allgrad
