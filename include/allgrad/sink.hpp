#pragma once

#include <functional>
#include <string_view>

namespace allgrad {

/// What a text to the user is about.
enum class Severity { progress, warning, error };

/// Takes one text of one or more lines, without the last line's end. Must not throw.
using Sink = std::function<void(Severity, std::string_view)>;

/// Sends all that allgrad has to say to `sink`, and returns the former one; an empty sink restores the default.
///
/// The default writes to standard error: warnings and progress on rank 0 of MPI_COMM_WORLD alone, errors on any rank.
/// A sink of your own is called on every rank on which something is said.
Sink set_sink(Sink sink);

}  // namespace allgrad
