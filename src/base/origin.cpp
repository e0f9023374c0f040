#include "base/origin.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "allgrad/version.hpp"

namespace allgrad {

namespace {

std::vector<std::string>& command_line() {
  static std::vector<std::string> words;
  return words;
}

}  // namespace

void note_command_line(int argc, const char* const* argv) { command_line() = {argv, argv + argc}; }

Origin origin_of_now() {
  return {.version = ALLGRAD_VERSION,
          .command_line = command_line(),
          .time = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))};
}

}  // namespace allgrad
