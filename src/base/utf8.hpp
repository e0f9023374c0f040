#pragma once

#include <cstddef>
#include <string_view>

namespace allgrad {

/// The longest beginning of `text` that has at most `size` bytes and ends with a whole UTF-8 character.
inline std::string_view utf8_prefix(std::string_view text, std::size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  return text.substr(0, size);
}

}  // namespace allgrad
