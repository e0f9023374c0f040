#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

namespace allgrad {

/// What a text to the user is about.
enum class Severity { progress, warning, error };

/// Takes one text of one or more lines, without the last line's end.
using Sink = std::function<void(Severity, std::string_view)>;

/// Sends all that allgrad has to say on this rank to `sink`, and returns the former one; an empty sink restores the
/// default, which writes to standard error. Warnings and progress are said on rank 0 of the communicator that they are
/// about, errors on the rank that met them. On a terminal the default shows progress in one line that it rewrites;
/// elsewhere, and to a sink of your own, a line comes now and then. Optimizers show none with `progress = false`.
///
/// Launchers like mpiexec pass the output of ranks on through pipes, so that no rank sees the terminal. The environment
/// variable ALLGRAD_PROGRESS overrides what is found: "line" rewrites one line wherever the default sink writes to,
/// "plain" writes lines now and then, "off" shows no progress, by no sink.
///
/// Output is never worth a fit. A text is dropped where `sink` throws, and where standard error cannot take it: a full
/// disk, a closed pipe, a pipe or terminal that takes nothing for a second, a limit on the size of files. The next text
/// that can be written is preceded by a warning that says how many are missing.
Sink set_sink(Sink sink);

/// How many texts have been dropped on this rank so far.
std::size_t dropped_texts();

}  // namespace allgrad
