#include "io/text_fields.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/ascii.hpp"
#include "base/utf8.hpp"

namespace allgrad {

namespace {

constexpr std::size_t exact_digits = 15;  // decimal integers of so many digits are exact

std::string quoted(std::string_view text) { return fmt::format("\"{}\"", shortened(printable(text), 40)); }

enum class Parsed { number, other, too_large, inexact };

/// Whether a decimal integer is the double that it became.
bool is_exact_integer(std::string_view digits, double value) {
  if (digits.size() <= exact_digits || digits.find_first_not_of("-0123456789") != std::string_view::npos) return true;
  if (digits.starts_with('-')) digits.remove_prefix(1);
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return digits.size() <= exact_digits || fmt::format("{:.0f}", std::abs(value)) == digits;
}

template <class T>
std::from_chars_result convert(std::string_view text, T& value) {
  return std::from_chars(text.data(), text.data() + text.size(), value);
}

Parsed parse(std::string_view text, double& value) {
  if (text == "True" || text == "true" || text == "TRUE") return value = 1.0, Parsed::number;
  if (text == "False" || text == "false" || text == "FALSE") return value = 0.0, Parsed::number;
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  std::from_chars_result result = convert(text, value);
  std::string with_e;
  if (result.ec == std::errc() && result.ptr != text.data() + text.size() && (*result.ptr | 0x20) == 'd') {
    with_e = text;  // Fortran writes 1.0D+03
    with_e[static_cast<std::size_t>(result.ptr - text.data())] = 'e';
    text = with_e;
    result = convert(text, value);
  }
  if (result.ec == std::errc::invalid_argument || result.ptr != text.data() + text.size()) return Parsed::other;
  if (result.ec == std::errc::result_out_of_range) {  // too large, or so small that it is 0
    long double wide = 0.0L;
    const std::size_t exponent = text.find_first_of("eE");
    const bool is_small = convert(text, wide).ec == std::errc()
                              ? std::abs(wide) <= 1.0L
                              : exponent != std::string_view::npos && text[exponent + 1] == '-';
    if (!is_small) return Parsed::too_large;
    value = static_cast<double>(wide);
    if (value == 0.0 && text.starts_with('-')) value = -0.0;
  }
  return is_exact_integer(text, value) ? Parsed::number : Parsed::inexact;
}

}  // namespace

TextFields::TextFields(std::string_view line, char delimiter) : line_(line), delimiter_(delimiter) {
  if (delimiter_ != ' ') return;
  skip_spaces();
  done_ = at_ == line_.size() || line_[at_] == '#';
}

void TextFields::skip_spaces() {
  while (at_ < line_.size() && is_space(line_[at_])) ++at_;
}

/// From the quote that begins it to behind the one that ends it.
void TextFields::take_quoted(TextField& field) {
  const std::size_t begin = ++at_;
  field.is_quoted = true;
  while (true) {
    at_ = line_.find('"', at_);
    if (at_ == std::string_view::npos) {
      throw TextError(begin,
                      "expected a quote that ends the text which one begins here, got none up to the end of the file");
    }
    if (at_ + 1 == line_.size() || line_[at_ + 1] != '"') break;
    at_ += 2;
  }
  field.text = line_.substr(begin, at_ - begin);
  ++at_;
}

bool TextFields::next(TextField& field) {
  if (done_) return false;
  skip_spaces();
  field = {{}, false, at_ + 1};
  const bool is_quoted = at_ < line_.size() && line_[at_] == '"';
  if (is_quoted) take_quoted(field);
  const std::size_t begin = at_;
  while (at_ < line_.size() && line_[at_] != delimiter_ && !(delimiter_ == ' ' && is_space(line_[at_]))) ++at_;
  std::string_view rest = line_.substr(begin, at_ - begin);
  while (!rest.empty() && is_space(rest.back())) rest.remove_suffix(1);
  if (is_quoted && !rest.empty()) throw TextError(begin + 1, "expected the end of the field behind its quotes");
  if (!is_quoted) field.text = rest;

  if (delimiter_ == ' ') {
    skip_spaces();
    done_ = at_ == line_.size() || line_[at_] == '#';
  } else {
    done_ = at_ == line_.size();
    ++at_;
  }
  return true;
}

std::string text_of(const TextField& field) {
  std::string text(field.text);
  if (!field.is_quoted) return text;
  for (std::size_t at = text.find("\"\""); at != std::string::npos; at = text.find("\"\"", at + 1)) text.erase(at, 1);
  return text;
}

bool is_missing(std::string_view text) {
  constexpr std::array<std::string_view, 8> marks = {"", "NA", "N/A", "n/a", "null", "NULL", "None", "<NA>"};
  return std::ranges::find(marks, text) != marks.end();
}

double number_of(std::string_view text) {
  double value = 0.0;
  switch (parse(text, value)) {
    case Parsed::number: return value;
    case Parsed::other: throw TextError(0, fmt::format("expected a number, got {}", quoted(text)));
    case Parsed::too_large:
      throw TextError(0, fmt::format("expected a number that double can hold, got {}; write inf where that is meant",
                                     quoted(text)));
    default:
      throw TextError(0, fmt::format("expected an integer that a double is equal to, got {}, which would become "
                                     "{:.0f}; leave the column out, or write it as two numbers, as x / 2^32 and x "
                                     "modulo 2^32",
                                     text, value));
  }
}

namespace {

/// A list that is taken from the beginning of a text.
struct List {
  std::string_view text;
  std::span<double> numbers;

  void skip_spaces() { text.remove_prefix(std::min(text.find_first_not_of(' '), text.size())); }

  bool take(char c) {
    skip_spaces();
    if (!text.starts_with(c)) return false;
    text.remove_prefix(1);
    return true;
  }

  /// False where there is no list of that shape.
  bool take(std::span<const std::size_t> lanes) {
    if (lanes.empty()) {
      skip_spaces();
      const std::string_view number = text.substr(0, text.find_first_of(" ,]"));
      text.remove_prefix(number.size());
      numbers[0] = number == "null" ? std::numeric_limits<double>::quiet_NaN() : number_of(number);
      numbers = numbers.subspan(1);
      return true;
    }
    if (!take('[')) return false;
    for (std::size_t i = 0; i < lanes[0]; ++i) {
      if ((i > 0 && !take(',')) || !take(lanes.subspan(1))) return false;
    }
    return take(']');
  }
};

}  // namespace

void numbers_of_list(std::string_view text, std::span<const std::size_t> lanes, std::span<double> numbers) {
  List list{text, numbers};
  if (list.take(lanes) && trimmed(list.text).empty()) return;
  throw TextError(0, fmt::format("expected numbers of shape [{}] as a list in brackets, got {}", fmt::join(lanes, ", "),
                                 quoted(text)));
}

bool is_number_or_missing(std::string_view text) {
  double value = 0.0;
  return is_missing(text) || parse(text, value) != Parsed::other;
}

}  // namespace allgrad
