#include "allgrad/sink.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/emit.hpp"
#include "base/utf8.hpp"

namespace allgrad {

namespace {

constexpr const char* start_of_line = "\r\x1b[K";  // and clears it

bool status_is_open = false;

std::string_view prefix(Severity severity) {
  switch (severity) {
    case Severity::progress: return "";
    case Severity::warning: return "allgrad: warning: ";
    case Severity::error: return "allgrad: error: ";
  }
  return "";
}

void write_to_standard_error(Severity severity, std::string_view text) {
  end_status();
  fmt::print(stderr, "{}{}\n", prefix(severity), text);
}

Sink& current_sink() {
  static Sink sink = write_to_standard_error;
  return sink;
}

// ALLGRAD_PROGRESS, empty where it is not set.
std::string_view wanted_progress() {
  const char* value = std::getenv("ALLGRAD_PROGRESS");
  return value == nullptr ? "" : value;
}

bool sink_is_default() {
  const auto* function = current_sink().target<void (*)(Severity, std::string_view)>();
  return function != nullptr && *function == write_to_standard_error;
}

std::size_t terminal_width() {
  constexpr std::size_t usual = 80;
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : usual;
}

}  // namespace

Sink set_sink(Sink sink) {
  end_status();
  if (!sink) sink = write_to_standard_error;
  return std::exchange(current_sink(), std::move(sink));
}

void emit(Severity severity, std::string_view text) {
  if (severity == Severity::progress && wanted_progress() == "off") return;
  current_sink()(severity, text);
}

bool can_show_status() {
  const std::string_view wanted = wanted_progress();
  if (wanted == "plain" || wanted == "off" || !sink_is_default()) return false;
  return wanted == "line" || isatty(STDERR_FILENO) != 0;
}

void show_status(std::string_view line) {
  if (!can_show_status()) return;
  fmt::print(stderr, "{}{}", start_of_line, utf8_prefix(line, terminal_width() - 1));
  std::fflush(stderr);
  status_is_open = true;
}

void end_status() {
  if (!std::exchange(status_is_open, false)) return;
  fmt::print(stderr, "\n");
}

}  // namespace allgrad
