#include "io/text_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "allgrad/error.hpp"
#include "io/text_fields.hpp"
#include "io/text_records.hpp"
#include "io/yaml_header.hpp"

namespace allgrad {

namespace {

/// What stands behind the # of a comment.
std::string comment_of(std::string_view line) {
  line.remove_prefix(line.find('#') + 1);
  return std::string(line);
}

/// Lines up to the first row: the comments before it, and the first of them that is no comment.
struct Beginning {
  std::vector<std::string> comments;
  std::string first_line;
  std::uint64_t first_offset = 0, second_offset = 0;
  std::uint64_t first_number = 0;  // of the first line, from 1 on, or of the last that it goes on to
};

Beginning read_beginning(TextLines& lines) {
  Beginning beginning;
  lines.seek(0);
  std::string_view line;
  for (std::uint64_t offset = 0; lines.next(line); offset = lines.offset()) {
    ++beginning.first_number;
    if (!is_without_row(line)) {
      beginning.first_line = line;
      beginning.first_offset = offset;
      beginning.second_offset = lines.offset();
      break;
    }
    if (line.find('#') != std::string_view::npos) beginning.comments.push_back(comment_of(line));
  }
  return beginning;
}

std::vector<TextField> fields_of(std::string_view line, char delimiter) {
  std::vector<TextField> all;
  TextFields fields(line, delimiter);
  for (TextField field; fields.next(field);) all.push_back(field);
  return all;
}

char delimiter_of(std::string_view line) {
  bool is_quoted = false;
  std::size_t best = std::string_view::npos;
  constexpr std::string_view delimiters = ",;\t";
  for (const char c : line) {
    if (c == '"') is_quoted = !is_quoted;
    if (!is_quoted) best = std::min(best, delimiters.find(c));
  }
  return best == std::string_view::npos ? ' ' : delimiters[best];
}

/// "mass [Msun]" as a name and a unit.
TextColumn column_of(std::string name) {
  const std::size_t open = name.rfind(" [");
  if (open == std::string::npos || open == 0 || !name.ends_with(']')) return {std::move(name)};
  std::string unit = name.substr(open + 2, name.size() - open - 3);
  name.resize(name.find_last_not_of(' ', open) + 1);
  return {std::move(name), std::move(unit)};
}

std::vector<TextColumn> columns_of(const std::vector<TextField>& names) {
  std::vector<TextColumn> columns;
  for (const TextField& name : names) columns.push_back(column_of(text_of(name)));
  return columns;
}

/// Names are no numbers: a line that has both is a row.
bool are_names(const std::vector<TextField>& fields) {
  const auto is_name = [](const TextField& field) { return !is_number_or_missing(field.text); };
  return std::ranges::any_of(fields, is_name) &&
         std::ranges::all_of(fields, [&](const TextField& field) { return is_name(field) || is_missing(field.text); });
}

/// Names that stand in the last comment that has as many fields as rows have; none where there is no such comment.
std::vector<TextColumn> columns_of_comments(const std::vector<std::string>& comments, char delimiter,
                                            std::size_t count) {
  for (auto comment = comments.rbegin(); comment != comments.rend(); ++comment) {
    try {
      const std::vector<TextField> names = fields_of(*comment, delimiter);
      if (names.size() == count && are_names(names)) return columns_of(names);
    } catch (const TextError&) {  // a quote in a sentence
    }
  }
  return {};
}

/// Of those that ECSV has.
bool is_number_type(std::string_view type) {
  return type.starts_with("float") || type.starts_with("int") || type.starts_with("uint") || type == "bool";
}

/// "float64[2,3]" is numbers of shape [2, 3]; other subtypes are no numbers.
bool read_subtype(const std::string& subtype, std::vector<std::size_t>& lanes) {
  const std::size_t open = subtype.find('[');
  if (open == std::string::npos || !subtype.ends_with(']') || !is_number_type(subtype.substr(0, open))) return false;
  const char* at = subtype.data() + open + 1;
  const char* const end = subtype.data() + subtype.size() - 1;
  while (at < end) {
    std::size_t length = 0;
    const auto [next, error] = std::from_chars(at, end, length);
    if (error != std::errc() || (next != end && *next != ',')) return false;
    lanes.push_back(length);
    at = next + 1;
  }
  return !lanes.empty();
}

TextColumn column_of(const YamlColumn& yaml) {
  TextColumn column{yaml.name, yaml.unit};
  column.is_float32 = yaml.datatype == "float32" || yaml.subtype.starts_with("float32");
  if (!yaml.subtype.empty() ? !read_subtype(yaml.subtype, column.lanes) : !is_number_type(yaml.datatype)) {
    column.no_number = fmt::format("of type {}{}{}", yaml.datatype, yaml.subtype.empty() ? "" : ", ", yaml.subtype);
  }
  return column;
}

std::string yaml_of(const std::vector<std::string>& comments) {
  if (comments.empty() || !comments.front().starts_with(" %ECSV")) return "";
  std::string yaml;
  for (std::size_t i = 1; i < comments.size(); ++i) {
    yaml += comments[i].substr(comments[i].starts_with(' ') ? 1 : 0) + '\n';
  }
  return yaml;
}

/// Takes further lines where a text in quotes does not end on the first.
void complete_first(TextLines& lines, char delimiter, Beginning& beginning) {
  std::string_view record;
  lines.seek(beginning.first_offset);
  lines.next(record);
  beginning.first_number += complete_record(lines, record, delimiter) - 1;
  beginning.first_line = record;
  beginning.second_offset = lines.offset();
}

/// The header of an ECSV file, whose names stand on a line as well.
void read_ecsv(const std::string& yaml, TextLines& lines, Beginning& beginning, TextHeader& header) {
  const YamlHeader told = parse_yaml_header(yaml);
  if (told.delimiter.size() > 1) throw std::runtime_error("its delimiter has more than one character");
  header.delimiter = told.delimiter.empty() ? ' ' : told.delimiter[0];
  for (const YamlColumn& column : told.columns) header.columns.push_back(column_of(column));
  complete_first(lines, header.delimiter, beginning);
  const std::vector<TextField> names = fields_of(beginning.first_line, header.delimiter);
  const bool are_same = std::ranges::equal(names, told.columns, [](const TextField& field, const YamlColumn& column) {
    return text_of(field) == column.name;
  });
  if (!are_same) throw std::runtime_error("the line of names has others than its 'datatype'");
}

}  // namespace

bool is_without_row(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t");
  return first == std::string_view::npos || line[first] == '#';
}

std::string read_ecsv_yaml(TextLines& lines) { return yaml_of(read_beginning(lines).comments); }

TextHeader read_text_header(TextLines& lines, const std::string& path, SourceLocation where) {
  Beginning beginning = read_beginning(lines);
  const std::uint64_t lines_before = beginning.first_number - 1;
  const auto fail = [&](std::uint64_t line, const std::string& why) {
    throw DataError(fmt::format("'{}', line {}: {}", path, line, why), where);
  };
  if (beginning.first_line.empty()) fail(beginning.first_number, "expected names of columns and rows, got neither");
  TextHeader header;
  const std::string yaml = yaml_of(beginning.comments);
  bool has_names = true;
  try {
    if (!yaml.empty()) {
      read_ecsv(yaml, lines, beginning, header);
    } else {
      header.delimiter = delimiter_of(beginning.first_line);
      complete_first(lines, header.delimiter, beginning);
      const std::vector<TextField> first = fields_of(beginning.first_line, header.delimiter);
      has_names = are_names(first);
      header.columns =
          has_names ? columns_of(first) : columns_of_comments(beginning.comments, header.delimiter, first.size());
      for (std::size_t i = header.columns.size(); i < first.size(); ++i) {
        header.columns.push_back({fmt::format("col{}", i + 1)});
      }
    }
  } catch (const TextError& error) {
    const auto [line, column] = place_in(beginning.first_line, error.column);
    fail(lines_before + line, fmt::format("column {}: {}", column, error.what()));
  } catch (const std::runtime_error& error) {
    fail(beginning.first_number, fmt::format("expected the header of an ECSV file above, but {}; mend it, or take its "
                                             "first line away, # %ECSV, which makes it a comment",
                                             error.what()));
  }
  header.first_row = has_names ? beginning.second_offset : beginning.first_offset;
  header.lines = has_names ? beginning.first_number : lines_before;
  return header;
}

}  // namespace allgrad
