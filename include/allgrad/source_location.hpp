#pragma once

#include <string>

namespace allgrad {

/// A line of the user's program. Taken as a default argument, `SourceLocation::current()` is the caller's line.
/// std::source_location would serve, but clang before 16 has none with libstdc++; the builtins behind it exist in both.
struct SourceLocation {
  const char* file = "";
  unsigned line = 0;
  const char* function = "";  ///< its name alone, "operator()" in a lambda function

  static constexpr SourceLocation current(const char* file = __builtin_FILE(), unsigned line = __builtin_LINE(),
                                          const char* function = __builtin_FUNCTION()) {
    return {file, line, function};
  }

  bool known() const { return line != 0; }

  /// "smf.cpp:12": the file without its folders; empty where no line is known.
  std::string str() const;
};

}  // namespace allgrad
