#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "allgrad/table.hpp"
#include "base/utf8.hpp"
#include "io/row_reader.hpp"
#include "io/text_fields.hpp"
#include "io/text_header.hpp"
#include "io/text_lines.hpp"

namespace allgrad {
namespace {

/// A byte at which a line begins, and what stands before it.
struct Mark {
  std::uint64_t row = 0, line = 0, offset = 0;
};

/// Rows that are lines of text. To know where each begins, the ranks share the counting of lines out among them.
class TextRows final : public RowReader {
 public:
  TextRows(const std::string& path, const ReadOptions& options, const Communicator& comm, SourceLocation where);

  void read(std::uint64_t first, std::size_t count, std::span<const std::span<double>> out) override;
  using RowReader::read;

 private:
  /// A field of the line that is read.
  struct Source {
    std::size_t field, column;
    bool may_be_missing, is_float32;
  };

  void choose_columns(const ReadOptions& options);
  void note_first_row();
  void count_rows(const Communicator& comm, SourceLocation where);
  void find_row(std::uint64_t row);
  void take_line(std::string_view line, std::size_t row, std::span<const std::span<double>> out) const;
  void take_field(const TextField& field, const Source& source, std::span<double> numbers) const;
  [[noreturn]] void fail_in_line(const TextError& error) const;

  TextLines lines_;
  TextHeader header_;
  std::vector<Source> sources_;  // in the order of the fields
  std::vector<Mark> marks_;      // in the order of the rows
  Mark next_;                    // where the next line is that lines_ gives
};

TextRows::TextRows(const std::string& path, const ReadOptions& options, const Communicator& comm, SourceLocation where)
    : RowReader(path, where), lines_(path, where), header_(read_text_header(lines_, path, where)) {
  note_first_row();
  choose_columns(options);
  count_rows(comm, where);
}

void TextRows::fail_in_line(const TextError& error) const {
  fail(fmt::format("'{}', line {}, column {}: {}", path(), next_.line + 1, error.column, error.what()));
}

/// What of the first row is no number makes its column none.
void TextRows::note_first_row() {
  lines_.seek(header_.first_row);
  next_ = {0, header_.lines, header_.first_row};
  std::string_view line;
  while (lines_.next(line) && is_without_row(line)) ++next_.line;
  try {
    TextFields fields(line, header_.delimiter);
    auto column = header_.columns.begin();
    for (TextField field; column != header_.columns.end() && fields.next(field); ++column) {
      if (!column->no_number.empty() || !column->lanes.empty() || is_number_or_missing(field.text)) continue;
      column->no_number = fmt::format("\"{}\" in the first row", shortened(printable(field.text), 40));
    }
  } catch (const TextError& error) {
    fail_in_line(error);
  }
}

void TextRows::choose_columns(const ReadOptions& options) {
  const auto may_be_nan = [&](const std::string& name) {  // a cut may leave such rows out
    return options.where || std::ranges::find(options.may_be_nan, name) != options.may_be_nan.end();
  };
  const auto add = [&](std::size_t field) {
    const TextColumn& column = header_.columns[field];
    sources_.push_back({field, columns_.size(), may_be_nan(column.name), column.is_float32});
    columns_.push_back({column.name, column.lanes, column.unit});
  };
  std::vector<std::string> names;
  for (const TextColumn& column : header_.columns) names.push_back(column.name);
  for (const std::string& name : options.columns) {
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) {
      fail(fmt::format("expected a column \"{}\" in '{}', but it has {}; name one that is there", name, path(),
                       fmt::join(names, ", ")));
    }
    if (std::ranges::count(names, name) > 1) {
      fail(fmt::format("expected one column \"{}\" in '{}', but it has {}; give each its own name", name, path(),
                       std::ranges::count(names, name)));
    }
    add(static_cast<std::size_t>(found - names.begin()));
  }
  for (std::size_t field = 0; options.columns.empty() && field < names.size(); ++field) {
    const TextColumn& column = header_.columns[field];
    if (!column.name.empty() && column.no_number.empty()) {
      add(field);
    } else {
      left_out_.push_back(column.name.empty() ? fmt::format("column {}, which has no name", field + 1)
                                              : fmt::format("\"{}\" ({})", column.name, column.no_number));
    }
  }
  if (columns_.empty()) {
    fail(
        fmt::format("expected columns of numbers in '{}', but it has none: {}; check the delimiter, the line of names "
                    "and the first row",
                    path(), fmt::join(left_out_, ", ")));
  }
  std::ranges::sort(sources_, {}, &Source::field);
}

/// Each rank counts the lines that begin in its part of the bytes, and learns how many stand before.
void TextRows::count_rows(const Communicator& comm, SourceLocation where) {
  constexpr std::uint64_t rows_between_marks = 1 << 14;
  const std::uint64_t all = lines_.bytes() - std::min(lines_.bytes(), header_.first_row);
  const RowShare share = share_of_rows(all, comm);
  lines_.seek_line(header_.first_row + share.first);
  Mark at{0, 0, lines_.offset()};
  std::vector<Mark> marks;
  std::string_view line;
  for (bool is_marked = false; at.offset < header_.first_row + share.last && lines_.next(line);) {
    if (!is_marked && at.row % rows_between_marks == 0) {
      marks.push_back(at);
      is_marked = true;
    }
    if (!is_without_row(line)) {
      ++at.row;
      is_marked = false;
    }
    ++at.line;
    at.offset = lines_.offset();
  }
  const Operation operation("the counting of rows", where);
  const std::vector<std::uint64_t> rows = comm.allgather(at.row, operation),
                                   counts = comm.allgather(at.line, operation);
  const std::vector<std::uint64_t> ends = comm.allgather(at.offset, operation);
  Mark begin{0, header_.lines, header_.first_row};
  for (std::size_t rank = 0; rank < rows.size(); ++rank) {
    if (rank == static_cast<std::size_t>(comm.rank())) {
      for (const Mark& mark : marks) marks_.push_back({begin.row + mark.row, begin.line + mark.line, mark.offset});
    } else {
      marks_.push_back(begin);
    }
    begin = {begin.row + rows[rank], begin.line + counts[rank], ends[rank]};
  }
  total_rows_ = begin.row;
  next_ = begin;
}

/// Goes to a line with nothing but comments between it and the row.
void TextRows::find_row(std::uint64_t row) {
  const auto behind = std::ranges::upper_bound(marks_, row, {}, &Mark::row);
  const Mark near = behind == marks_.begin() ? Mark{0, header_.lines, header_.first_row} : *(behind - 1);
  if (next_.row > row || near.row > next_.row) next_ = near;
  lines_.seek(next_.offset);
  std::string_view line;
  while (next_.row < row && lines_.next(line)) {
    if (!is_without_row(line)) ++next_.row;
    ++next_.line;
    next_.offset = lines_.offset();
  }
}

void TextRows::read(std::uint64_t first, std::size_t count, std::span<const std::span<double>> out) {
  find_row(first);
  std::string_view line;
  for (std::size_t row = 0; row < count;) {
    if (!lines_.next(line)) {
      fail(fmt::format(
          "expected {} rows in '{}', but it ends behind row {}, counted from 0; read it when its writer has "
          "finished",
          total_rows_, path(), next_.row));
    }
    if (!is_without_row(line)) {
      take_line(line, row, out);
      ++next_.row;
      ++row;
    }
    ++next_.line;
    next_.offset = lines_.offset();
  }
}

void TextRows::take_line(std::string_view line, std::size_t row, std::span<const std::span<double>> out) const {
  try {
    TextFields fields(line, header_.delimiter);
    TextField field;
    std::size_t number = 0;
    auto source = sources_.begin();
    for (; fields.next(field); ++number) {
      for (; source != sources_.end() && source->field == number; ++source) {
        if (out[source->column].empty()) continue;
        const std::size_t per_row = columns_[source->column].numbers_per_row();
        take_field(field, *source, out[source->column].subspan(row * per_row, per_row));
      }
    }
    if (number != header_.columns.size()) {
      throw TextError(1,
                      fmt::format("expected {} fields, one for each column, got {}; where a text has the delimiter in "
                                  "it, put it in quotes",
                                  header_.columns.size(), number));
    }
  } catch (const TextError& error) {
    fail_in_line(error);
  }
}

void TextRows::take_field(const TextField& field, const Source& source, std::span<double> numbers) const {
  const FileColumn& column = columns_[source.column];
  if (is_missing(field.text)) {
    if (!source.may_be_missing) {
      throw TextError(field.column,
                      fmt::format("expected a number of column \"{}\", got none; remove such rows, or name "
                                  "the column in ReadOptions::may_be_nan, which makes it NaN",
                                  column.name));
    }
    std::ranges::fill(numbers, std::numeric_limits<double>::quiet_NaN());
    return;
  }
  try {
    if (column.lanes.empty()) {
      numbers[0] = number_of(field.text);
    } else {
      numbers_of_list(field.text, column.lanes, numbers);
    }
    if (source.is_float32) {
      for (double& number : numbers) number = static_cast<float>(number);
    }
  } catch (const TextError& error) {
    throw TextError(field.column, fmt::format("in column \"{}\": {}", column.name, error.what()));
  }
}

}  // namespace

std::unique_ptr<RowReader> open_text_rows(const std::string& file, const ReadOptions& options, const Communicator& comm,
                                          SourceLocation where) {
  return std::make_unique<TextRows>(file, options, comm, where);
}

}  // namespace allgrad
