#pragma once

#include <string>
#include <utility>

namespace allgrad {

/// Why a rank wants a run to end early; of several ranks' reasons, the last in this list goes first.
enum class StopReason { wish, signal, exception };

/// Passed to `Communicator::fail` by a rank that wants a run to end early. Where some ranks did so and none failed, the
/// next collective throws it on every rank: for whoever drives the run to catch, never for the user to see. So it is no
/// std::exception, which an objective of the user may catch on its way.
class StopRequest final {
 public:
  StopRequest(StopReason reason, int rank, std::string text) : reason_(reason), rank_(rank), text_(std::move(text)) {}

  StopReason reason() const { return reason_; }
  int rank() const { return rank_; }
  const std::string& text() const { return text_; }

 private:
  StopReason reason_;
  int rank_;
  std::string text_;
};

}  // namespace allgrad
