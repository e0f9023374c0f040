#pragma once

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace allgrad {

/// What is wrong in a record of text, with its place, from 1 on.
struct TextError : std::runtime_error {
  TextError(std::size_t column_, const std::string& what) : std::runtime_error(what), column(column_) {}
  std::size_t column;
};

/// One value of a record: of a line, or of several where a text in quotes has ends of lines in it.
struct TextField {
  std::string_view text;   ///< without quotes, and without spaces around it where it has none
  bool is_quoted = false;  ///< "" in the text means a quote then
  std::size_t column = 1;  ///< where it begins in the line, from 1 on
};

/// Takes the fields of a record one after the other. The delimiter ' ' stands for any number of spaces and tabs, and
/// '#' at the beginning of a field ends such a line.
class TextFields {
 public:
  TextFields(std::string_view line, char delimiter);

  /// False behind the last field. Throws TextError where a quote is not closed.
  bool next(TextField& field);

 private:
  bool is_space(char c) const { return c == ' ' || (c == '\t' && delimiter_ != '\t'); }
  void skip_spaces();
  void take_quoted(TextField& field);

  std::string_view line_;
  char delimiter_;
  std::size_t at_ = 0;
  bool done_ = false;
};

/// The text of a field, with quotes in it as they are meant.
std::string text_of(const TextField& field);

/// Whether a field says that there is no value: it is empty, or says NA, N/A, null or None.
bool is_missing(std::string_view text);

/// The number that a field holds, as decimal digits, or True and False as 1 and 0; to the last bit the nearest double.
/// Throws TextError, with column 0, where it is none, is too large for a double, or an integer that no double equals.
double number_of(std::string_view text);

/// The numbers of a list in JSON, nested as `lanes` has lengths, in row-major order: "[[1, 2], [3, null]]" has the
/// shape [2, 2]; null is NaN. Throws as number_of, and where the list has another shape.
void numbers_of_list(std::string_view text, std::span<const std::size_t> lanes, std::span<double> numbers);

/// Whether it is a number as number_of takes it, or missing.
bool is_number_or_missing(std::string_view text);

}  // namespace allgrad
