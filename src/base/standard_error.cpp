#include "base/standard_error.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdint>
#include <ctime>

namespace allgrad {

namespace {

/// While it lives, a failing write on this thread ends no process: the signals of a closed pipe and of the limit on
/// the size of files wait, and what has come of them is taken back at the end.
class NoWriteSignals {
 public:
  NoWriteSignals() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGPIPE);
    sigaddset(&signals_, SIGXFSZ);
    sigpending(&before_);
    pthread_sigmask(SIG_BLOCK, &signals_, &mask_);
  }
  ~NoWriteSignals() {
    // What others have sent before stays pending: a signal pends once.
    if (sigismember(&before_, SIGPIPE) == 1) sigdelset(&signals_, SIGPIPE);
    if (sigismember(&before_, SIGXFSZ) == 1) sigdelset(&signals_, SIGXFSZ);
    const timespec no_wait{};
    while (sigtimedwait(&signals_, nullptr, &no_wait) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
  }
  NoWriteSignals(const NoWriteSignals&) = delete;
  NoWriteSignals& operator=(const NoWriteSignals&) = delete;

 private:
  sigset_t signals_, before_, mask_;
};

/// Waits until a write of up to PIPE_BUF bytes would not wait; false where that is not so before the deadline.
bool takes_bytes(std::chrono::steady_clock::time_point deadline) {
  pollfd out{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    const int ready = poll(&out, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

}  // namespace

bool write_to_standard_error(std::string_view text) noexcept {
  static bool waits = true;  // one wait is enough: while nobody reads, what follows is lost at once
  const NoWriteSignals no_signals;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(waits ? 1 : 0);
  while (!text.empty()) {
    waits = takes_bytes(deadline);
    if (!waits) return false;
    const ssize_t written = write(STDERR_FILENO, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace allgrad
