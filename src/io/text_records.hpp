#pragma once

#include <cstdint>
#include <string_view>

#include "io/text_lines.hpp"

namespace allgrad {

/// Whether a line ends within a text in quotes, which goes on in the next line then. Quotes count where they begin a
/// field, as in TextFields. `begins_in_quotes`: the line goes on with such a text.
bool ends_in_quotes(std::string_view line, char delimiter, bool begins_in_quotes);

/// Takes further lines behind the one that was taken last, up to the end of the text in quotes that it ends in, if any.
/// Returns how many lines the record has.
std::uint64_t complete_record(TextLines& lines, std::string_view& line, char delimiter);

/// A place in a record: its line there and its column in that, both from 1 on.
struct PlaceInRecord {
  std::uint64_t line;
  std::size_t column;
};

/// Of a byte of it, from 1 on.
PlaceInRecord place_in(std::string_view record, std::size_t byte);

}  // namespace allgrad
