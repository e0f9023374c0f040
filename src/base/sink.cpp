#include "allgrad/sink.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <mutex>
#include <utility>

#include "base/emit.hpp"
#include "base/standard_error.hpp"
#include "base/utf8.hpp"

namespace allgrad {

namespace {

constexpr const char* start_of_line = "\r\x1b[K";  // and clears it

// One thread at a time writes, and a sink may call what it stands in for.
std::recursive_mutex mutex_of_sink;

bool status_is_open = false;

std::size_t dropped = 0;  // texts, of which the user knows of the first
std::size_t dropped_told = 0;

std::string_view prefix(Severity severity) {
  switch (severity) {
    case Severity::progress: return "";
    case Severity::warning: return "allgrad: warning: ";
    case Severity::error: return "allgrad: error: ";
  }
  return "";
}

// Does not throw, as users call it from sinks of their own.
void say_on_standard_error(Severity severity, std::string_view text) {
  const std::scoped_lock lock(mutex_of_sink);
  try {
    end_status();
    if (write_to_standard_error(fmt::format("{}{}\n", prefix(severity), text))) return;
  } catch (const std::bad_alloc&) {
  }
  ++dropped;
}

Sink& current_sink() {
  static Sink sink = say_on_standard_error;
  return sink;
}

// ALLGRAD_PROGRESS, empty where it is not set.
std::string_view wanted_progress() {
  const char* value = std::getenv("ALLGRAD_PROGRESS");
  return value == nullptr ? "" : value;
}

bool sink_is_default() {
  const auto* function = current_sink().target<void (*)(Severity, std::string_view)>();
  return function != nullptr && *function == say_on_standard_error;
}

/// False where the text is lost.
bool say(Severity severity, std::string_view text) {
  const std::size_t before = dropped;
  try {
    current_sink()(severity, text);
  } catch (...) {
    ++dropped;
  }
  return dropped == before;
}

/// Says how many texts are lost, where some are that the user does not know of. False where that cannot be said.
bool tell_dropped() {
  const std::size_t lost = dropped;
  if (lost == dropped_told) return true;
  if (say(Severity::warning, fmt::format("{} text{} before this could not be written", lost - dropped_told,
                                         lost - dropped_told == 1 ? "" : "s"))) {
    dropped_told = lost;
    return true;
  }
  dropped = lost;  // this was no text of the fit
  return false;
}

std::size_t terminal_width() {
  constexpr std::size_t usual = 80;
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : usual;
}

}  // namespace

Sink set_sink(Sink sink) {
  const std::scoped_lock lock(mutex_of_sink);
  end_status();
  if (!sink) sink = say_on_standard_error;
  return std::exchange(current_sink(), std::move(sink));
}

std::size_t dropped_texts() {
  const std::scoped_lock lock(mutex_of_sink);
  return dropped;
}

void emit(Severity severity, std::string_view text) {
  const std::scoped_lock lock(mutex_of_sink);
  if (severity == Severity::progress && wanted_progress() == "off") return;
  if (tell_dropped()) {
    say(severity, text);
  } else {
    ++dropped;
  }
}

bool can_show_status() {
  const std::scoped_lock lock(mutex_of_sink);
  const std::string_view wanted = wanted_progress();
  if (wanted == "plain" || wanted == "off" || !sink_is_default()) return false;
  return wanted == "line" || isatty(STDERR_FILENO) != 0;
}

void show_status(std::string_view line) {
  const std::scoped_lock lock(mutex_of_sink);
  if (!can_show_status()) return;
  status_is_open = write_to_standard_error(fmt::format("{}{}", start_of_line, utf8_prefix(line, terminal_width() - 1)));
  if (!status_is_open) ++dropped;
}

void end_status() {
  const std::scoped_lock lock(mutex_of_sink);
  if (std::exchange(status_is_open, false)) write_to_standard_error("\n");
}

}  // namespace allgrad
