#pragma once

#include <string_view>

namespace allgrad {

/// Writes `text` to standard error, past the buffer of stdio. False where not all of it could be written: a full disk,
/// a pipe or socket that is closed or that nobody reads for a second, a limit on the size of files. Raises no signal,
/// throws nothing, does not wait longer, and waits no more until it is read again.
bool write_to_standard_error(std::string_view text) noexcept;

}  // namespace allgrad
