#pragma once

#include <string>

namespace allgrad {

/// Why a rank wants a run to end early; of several ranks' reasons, the last in this list goes first.
enum class StopReason { wish, signal, exception };

/// What a rank says that wants a run to end early.
struct StopRequest {
  StopReason reason;
  int rank;
  std::string text;
};

}  // namespace allgrad
