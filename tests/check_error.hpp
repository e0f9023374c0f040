#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "allgrad/error.hpp"
#include "catch.hpp"

namespace allgrad::testing {

/// What was thrown, and the line that the action says is to blame.
struct Caught {
  std::string text;
  SourceLocation where;
  unsigned expected_line = 0;
};

/// Runs action(line), which notes the line to blame (0 for none), and catches the E that it throws. The test fails
/// where it throws nothing; another exception ends the test.
template <class E, class Action>
Caught caught(Action action) {
  Caught result;
  try {
    action(result.expected_line);
    FAIL_CHECK("nothing was thrown");
  } catch (const E& error) {
    result.text = error.what();
    result.where = error.where();
  }
  return result;
}

inline void check_parts(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    INFO("message: " << text);
    INFO("to be in it: " << part);
    CHECK(text.find(part) != std::string::npos);
  }
}

/// Checks that `action` throws an E that names the noted line of the caller's file, with all the parts in its message.
template <class E, class Action>
void check_error(const std::vector<std::string>& parts, Action action,
                 SourceLocation here = SourceLocation::current()) {
  const Caught error = caught<E>(action);
  check_parts(error.text, parts);
  INFO("message: " << error.text);
  CHECK(error.where.line == error.expected_line);
  if (error.expected_line == 0) return;
  CHECK(std::string_view(error.where.file) == here.file);
  CHECK(error.text.starts_with(SourceLocation{here.file, error.expected_line}.str() + ": "));
}

}  // namespace allgrad::testing
