#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "allgrad/table.hpp"
#include "base/utf8.hpp"
#include "io/row_reader.hpp"
#include "io/text_fields.hpp"
#include "io/text_header.hpp"
#include "io/text_lines.hpp"
#include "io/text_records.hpp"

namespace allgrad {
namespace {

/// A byte at which a line begins that is in no text in quotes, and what stands before it.
struct Mark {
  std::uint64_t row = 0, line = 0, offset = 0;
};

/// The rows that begin in some lines, where the first of these begins within a text in quotes or not.
struct CountedRows {
  bool is_in_quotes;
  std::uint64_t rows = 0;
  std::vector<Mark> marks = {};

  void take(std::string_view line, const Mark& at, char delimiter) {
    constexpr std::uint64_t rows_between_marks = 1 << 14;
    if (is_in_quotes) {
      is_in_quotes = ends_in_quotes(line, delimiter, true);
      return;
    }
    if (rows % rows_between_marks == 0 && (marks.empty() || marks.back().row != rows)) {
      marks.push_back({rows, at.line, at.offset});
    }
    if (is_without_row(line)) return;
    ++rows;
    is_in_quotes = ends_in_quotes(line, delimiter, false);
  }
};

/// Rows that are lines of text, or several where a text in quotes has ends of lines in it. To know where each begins,
/// the ranks share the counting of lines out among them.
class TextRows final : public RowReader {
 public:
  TextRows(const std::string& path, const ReadOptions& options, const Communicator& comm, SourceLocation where);

  void read(std::uint64_t first, std::size_t count, std::span<const std::span<double>> out) override;
  using RowReader::read;

 private:
  /// A row, or a line without one.
  struct Record {
    std::string_view text = {};
    bool is_row = false;
    std::uint64_t lines = 0;
  };

  /// A field of the row that is read.
  struct Source {
    std::size_t field, column;
    bool may_be_missing, is_float32;
  };

  void take_columns(const ReadOptions& options);
  void note_first_row();
  void count_rows(const Communicator& comm, SourceLocation where);
  void find_row(std::uint64_t row);
  void take_row(std::string_view record, std::size_t row, std::span<const std::span<double>> out) const;
  void take_field(const TextField& field, const Source& source, std::span<double> numbers) const;
  bool take_next(Record& record);
  void pass(const Record& record);
  [[noreturn]] void fail_in_row(std::string_view record, const TextError& error) const;

  TextLines lines_;
  TextHeader header_;
  std::vector<Source> sources_;  // in the order of the fields
  std::vector<Mark> marks_;      // in the order of the rows
  Mark next_;                    // where the next line is that lines_ gives
};

TextRows::TextRows(const std::string& path, const ReadOptions& options, const Communicator& comm, SourceLocation where)
    : RowReader(path, where), lines_(path, where), header_(read_text_header(lines_, path, where)) {
  note_first_row();
  take_columns(options);
  count_rows(comm, where);
}

void TextRows::fail_in_row(std::string_view record, const TextError& error) const {
  const auto [line, column] = place_in(record, error.column);
  fail(fmt::format("'{}', line {}, column {}: {}", path(), next_.line + line, column, error.what()));
}

/// What of the first row is no number makes its column none.
void TextRows::note_first_row() {
  lines_.seek(header_.first_row);
  next_ = {0, header_.lines, header_.first_row};
  Record record;
  while (take_next(record) && !record.is_row) pass(record);
  if (!record.is_row) return;
  try {
    TextFields fields(record.text, header_.delimiter);
    auto column = header_.columns.begin();
    for (TextField field; column != header_.columns.end() && fields.next(field); ++column) {
      if (!column->no_number.empty() || !column->lanes.empty() || is_number_or_missing(field.text)) continue;
      column->no_number = fmt::format("\"{}\" in the first row", shortened(printable(field.text), 40));
    }
  } catch (const TextError& error) {
    fail_in_row(record.text, error);
  }
}

void TextRows::take_columns(const ReadOptions& options) {
  const auto may_be_nan = [&](const std::string& name) {  // a cut may leave such rows out
    return options.where || std::ranges::find(options.may_be_nan, name) != options.may_be_nan.end();
  };
  std::vector<Candidate> there;
  for (const TextColumn& column : header_.columns) there.push_back({column.name, column.no_number});
  for (const std::size_t field :
       choose(there, options.columns, "check the delimiter, the line of names and the first row")) {
    const TextColumn& column = header_.columns[field];
    sources_.push_back({field, columns_.size(), may_be_nan(column.name), column.is_float32});
    columns_.push_back({column.name, column.lanes, column.unit});
  }
  std::ranges::sort(sources_, {}, &Source::field);
}

/// Each rank counts the rows that begin in its part of the bytes, and learns how many stand before. Whether its first
/// line begins within a text in quotes the ranks before it tell: it counts for both. That of the root does not.
void TextRows::count_rows(const Communicator& comm, SourceLocation where) {
  const std::uint64_t all = lines_.bytes() - std::min(lines_.bytes(), header_.first_row);
  const RowShare share = share_of_rows(all, comm);
  lines_.seek_line(header_.first_row + share.first);
  Mark at{0, 0, lines_.offset()};
  std::array<CountedRows, 2> counts = {CountedRows{false}, CountedRows{true}};
  const std::span<CountedRows> open_cases = std::span(counts).first(comm.is_root() ? 1 : 2);
  for (std::string_view line; at.offset < header_.first_row + share.last && lines_.next(line);) {
    for (CountedRows& count : open_cases) count.take(line, at, header_.delimiter);
    ++at.line;
    at.offset = lines_.offset();
  }
  const auto gathered = [&](std::uint64_t own) {
    return comm.allgather(own, Operation("the counting of rows", where));
  };
  const std::array rows = {gathered(counts[0].rows), gathered(counts[1].rows)},
                   in_quotes = {gathered(counts[0].is_in_quotes), gathered(counts[1].is_in_quotes)};
  const std::vector<std::uint64_t> lines = gathered(at.line), ends = gathered(at.offset);
  Mark begin{0, header_.lines, header_.first_row};
  std::size_t is_in_quotes = 0;
  for (std::size_t rank = 0; rank < lines.size(); ++rank) {
    if (rank == static_cast<std::size_t>(comm.rank())) {
      for (const Mark& mark : counts[is_in_quotes].marks) {
        marks_.push_back({begin.row + mark.row, begin.line + mark.line, mark.offset});
      }
    } else if (is_in_quotes == 0) {
      marks_.push_back(begin);
    }
    begin = {begin.row + rows[is_in_quotes][rank], begin.line + lines[rank], ends[rank]};
    is_in_quotes = in_quotes[is_in_quotes][rank];
  }
  total_rows_ = begin.row;
  next_ = begin;
}

/// The next line, completed where it begins a row; false at the end of the file.
bool TextRows::take_next(Record& record) {
  if (!lines_.next(record.text)) return false;
  record.is_row = !is_without_row(record.text);
  record.lines = record.is_row ? complete_record(lines_, record.text, header_.delimiter) : 1;
  return true;
}

/// Goes on to what follows it.
void TextRows::pass(const Record& record) {
  next_ = {next_.row + (record.is_row ? 1 : 0), next_.line + record.lines, lines_.offset()};
}

/// Goes to a line with nothing but comments between it and the row.
void TextRows::find_row(std::uint64_t row) {
  const auto behind = std::ranges::upper_bound(marks_, row, {}, &Mark::row);
  const Mark near = behind == marks_.begin() ? Mark{0, header_.lines, header_.first_row} : *(behind - 1);
  if (next_.row > row || near.row > next_.row) next_ = near;
  lines_.seek(next_.offset);
  for (Record record; next_.row < row && take_next(record);) pass(record);
}

void TextRows::read(std::uint64_t first, std::size_t count, std::span<const std::span<double>> out) {
  find_row(first);
  Record record;
  for (std::size_t row = 0; row < count; pass(record)) {
    if (!take_next(record)) {
      fail(fmt::format(
          "expected {} rows in '{}', but it ends behind row {}, counted from 0; read it when its writer has "
          "finished",
          total_rows_, path(), next_.row));
    }
    if (record.is_row) take_row(record.text, row++, out);
  }
}

void TextRows::take_row(std::string_view record, std::size_t row, std::span<const std::span<double>> out) const {
  try {
    TextFields fields(record, header_.delimiter);
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
    fail_in_row(record, error);
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
