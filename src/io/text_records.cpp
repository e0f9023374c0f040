#include "io/text_records.hpp"

#include <algorithm>
#include <utility>

namespace allgrad {

namespace {

/// Whether a field begins behind this part of a line.
bool begins_field(std::string_view before, char delimiter) {
  std::string_view rest = before;
  while (!rest.empty() && (rest.back() == ' ' || (rest.back() == '\t' && delimiter != '\t'))) rest.remove_suffix(1);
  return rest.empty() || (delimiter == ' ' ? rest.size() < before.size() : rest.back() == delimiter);
}

/// Whether a comment begins in [begin, end) of a line of fields with spaces between them.
bool has_comment(std::string_view line, std::size_t begin, std::size_t end) {
  for (std::size_t at = line.find('#', begin); at < end; at = line.find('#', at + 1)) {
    if (begins_field(line.substr(0, at), ' ')) return true;
  }
  return false;
}

}  // namespace

bool ends_in_quotes(std::string_view line, char delimiter, bool begins_in_quotes) {
  bool is_open = begins_in_quotes;
  std::size_t quote = line.find('"');
  for (std::size_t at = 0; quote != std::string_view::npos; quote = line.find('"', at)) {
    const std::size_t begin = std::exchange(at, quote + 1);
    if (!is_open) {
      if (delimiter == ' ' && has_comment(line, begin, quote)) return false;
      is_open = begins_field(line.substr(0, quote), delimiter);
    } else if (line.substr(at).starts_with('"')) {  // a quote in the text
      ++at;
    } else {
      is_open = false;
    }
  }
  return is_open;
}

std::uint64_t complete_record(TextLines& lines, std::string_view& line, char delimiter) {
  std::uint64_t count = 1;
  for (bool is_open = ends_in_quotes(line, delimiter, false); is_open; ++count) {
    const std::size_t before = line.size();
    if (!lines.extend(line)) break;
    is_open = ends_in_quotes(line.substr(before), delimiter, true);
  }
  return count;
}

PlaceInRecord place_in(std::string_view record, std::size_t byte) {
  const std::string_view before = record.substr(0, byte - 1);
  const std::size_t newline = before.rfind('\n');
  return {1 + static_cast<std::uint64_t>(std::ranges::count(before, '\n')),
          newline == std::string_view::npos ? byte : byte - newline - 1};
}

}  // namespace allgrad
