#include "base/utf8.hpp"

namespace allgrad {

namespace {

constexpr std::string_view replacement = "\uFFFD";

/// Bytes of the UTF-8 character that the text begins with; 0 where there is none that XML allows. Unicode 15, table
/// 3-7.
std::size_t character_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned lead = byte(0);
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return 0;
  }
  const bool overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xed && byte(1) >= 0xa0;
  const bool too_large = lead == 0xf4 && byte(1) >= 0x90;
  const bool no_character = lead == 0xef && byte(1) == 0xbf && byte(2) >= 0xbe;
  return overlong || surrogate || too_large || no_character ? 0 : size;
}

std::string two_bytes(unsigned code) {
  return {static_cast<char>(0xc0U | code >> 6), static_cast<char>(0x80U | (code & 0x3fU))};
}

/// U+2400 and on, the pictures of the control characters of ASCII.
std::string picture_of(unsigned control) {
  return {'\xe2', '\x90', static_cast<char>(0x80U | (control == 0x7f ? 0x21U : control))};
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    const unsigned lead = static_cast<unsigned char>(text[0]);
    if (size == 0) {
      result += lead < 0xa0 ? std::string(replacement) : two_bytes(lead);
    } else if (size == 1 && (lead < 0x20 || lead == 0x7f)) {
      result += picture_of(lead);
    } else if (size == 2 && lead == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0) {
      result += replacement;  // control characters beyond ASCII have no pictures
    } else {
      result += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return result;
}

std::string shortened(std::string_view text, std::size_t count) {
  std::size_t characters = 0, end_of_kept = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool begins_one = (static_cast<unsigned char>(text[i]) & 0xc0U) != 0x80U;
    if (!begins_one) continue;
    if (++characters == count) end_of_kept = i;
    if (characters > count) return std::string(text.substr(0, end_of_kept)) + "…";
  }
  return std::string(text);
}

}  // namespace allgrad
