#pragma once

#include <string_view>

#include "allgrad/sink.hpp"

namespace allgrad {

/// Says `text` to the user, through the sink that is set. The caller decides which rank speaks.
void emit(Severity severity, std::string_view text);

/// Whether `show_status` shows anything: the default sink writes to a terminal, or ALLGRAD_PROGRESS says that it may.
bool can_show_status();

/// Writes `line` in place of the former status, cut to the width of the terminal. What is emitted next leaves it
/// standing and goes to a new line.
void show_status(std::string_view line);

/// Leaves the last status standing, if there is one.
void end_status();

}  // namespace allgrad
