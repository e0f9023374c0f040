#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "allgrad/source_location.hpp"
#include "io/text_lines.hpp"

namespace allgrad {

/// A column of a text file. Several numbers in a row are one field in JSON, as ECSV has them.
struct TextColumn {
  std::string name;  ///< empty where the file has none for it
  std::string unit = {};
  std::vector<std::size_t> lanes = {};
  bool is_float32 = false;     ///< the digits are those of a float, which the number is
  std::string no_number = {};  ///< what it has instead of numbers, as far as the header and first row tell
};

/// What stands before the rows of a text file, and how they are written.
struct TextHeader {
  char delimiter = ',';
  std::vector<TextColumn> columns;
  std::uint64_t first_row = 0;  ///< the byte at which the rows, with comments among them, begin
  std::uint64_t lines = 0;      ///< how many lines stand before that
};

/// Whether a line has no row: it is empty, or a comment, which begins with #.
bool is_without_row(std::string_view line);

/// Reads the header: names on the first line that is no comment, or the columns that the YAML of an ECSV file tells,
/// or names on a comment above the first row; otherwise the names are col1, col2, ... A name may have its unit behind
/// it, as in "mass [Msun]". The delimiter is what ECSV says, or a comma, semicolon or tab that the first line has, or
/// else spaces. Throws DataError where it is no header, or no row follows.
TextHeader read_text_header(TextLines& lines, const std::string& path, SourceLocation where);

/// The YAML in the comments at the beginning of an ECSV file; empty where it is none.
std::string read_ecsv_yaml(TextLines& lines);

}  // namespace allgrad
