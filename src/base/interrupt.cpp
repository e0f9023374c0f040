#include "base/interrupt.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <mutex>

namespace allgrad {

namespace {

static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may write no other");
std::atomic<int> noted = 0;
std::atomic<bool> was_asked_for = false;
std::mutex mutex_of_guards;  // of different threads
int guards = 0;

extern "C" void allgrad_note_signal(int signal) { noted = signal; }

struct Former {
  int signal;
  struct sigaction action;
};
std::array former{Former{SIGINT, {}}, Former{SIGTERM, {}}};

void install() {
  for (auto& [signal, action] : former) {
    sigaction(signal, nullptr, &action);
    if (action.sa_handler == SIG_IGN) continue;
    struct sigaction note {};
    note.sa_handler = allgrad_note_signal;
    note.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
    sigaction(signal, &note, nullptr);
  }
}

void restore() {
  for (const auto& [signal, action] : former) sigaction(signal, &action, nullptr);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  const std::scoped_lock lock(mutex_of_guards);
  if (guards++ == 0) install();
}

InterruptGuard::~InterruptGuard() {
  int unhandled = 0;
  {
    const std::scoped_lock lock(mutex_of_guards);
    if (--guards > 0) return;
    restore();
    const int signal = noted.exchange(0);
    if (!was_asked_for.exchange(false)) unhandled = signal;
  }
  if (unhandled != 0) std::raise(unhandled);
}

std::string_view InterruptGuard::signal() {
  const int signal = noted;
  if (signal == 0) return {};
  was_asked_for = true;
  return signal == SIGINT ? "SIGINT" : "SIGTERM";
}

}  // namespace allgrad
