#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace allgrad {

/// A text without the spaces, tabs and ends of lines around it.
inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t first = std::min(text.find_first_not_of(blanks), text.size());
  return text.substr(first, text.find_last_not_of(blanks) + 1 - first);
}

/// A text in small letters, of those of ASCII.
inline std::string lowercase(std::string_view text) {
  std::string small(text);
  for (char& c : small) {
    if ('A' <= c && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return small;
}

}  // namespace allgrad
