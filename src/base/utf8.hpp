#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace allgrad {

/// The longest beginning of `text` that has at most `size` bytes and ends with a whole UTF-8 character.
inline std::string_view utf8_prefix(std::string_view text, std::size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  return text.substr(0, size);
}

/// The text as UTF-8 that every program can show on one line: control characters become their pictures, as ␉ for a tab,
/// and bytes that are no UTF-8 the letters that they are in Latin-1.
std::string printable(std::string_view text);

/// At most `count` characters of UTF-8, of which the last is … where the text has more.
std::string shortened(std::string_view text, std::size_t count);

}  // namespace allgrad
