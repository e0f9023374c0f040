#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "allgrad/exact.hpp"
#include "base/ascii.hpp"
#include "base/utf8.hpp"
#include "io/fits_file.hpp"
#include "io/row_reader.hpp"
#include "io/text_fields.hpp"

namespace allgrad {
namespace {

constexpr double missing_number = std::numeric_limits<double>::quiet_NaN();

/// Where a column lies in the bytes of a row, and what they mean.
struct FitsColumn {
  std::string name, unit;
  char code = ' ';         // of TFORM: L X B I J K E D, or anything else, which is no number; in text always A
  std::size_t offset = 0;  // of its first byte in the row
  std::size_t width = 0;   // of each number in a binary table, or of the field of text
  std::size_t repeat = 0;  // how many numbers
  std::vector<std::size_t> lanes = {};
  double scale = 1.0, zero = 0.0;
  std::optional<std::int64_t> null_number = {};
  std::string null_text = {};
  std::size_t decimals = 0;  // of text without a decimal point, as Fortran has it
  std::string form = {};     // TFORM

  bool is_number() const { return std::string_view("LXBIJKEDA").find(code) != std::string_view::npos && repeat > 0; }
  bool is_scaled() const { return scale != 1.0 || zero != 0.0; }
};

/// The rows of a table in a FITS file, binary or of text. CFITSIO finds the bytes; numbers are made of them here, so
/// that integers of 64 bits and decimal digits become the doubles that they are.
class FitsRows final : public RowReader {
 public:
  FitsRows(const std::string& path, const ReadOptions& options, SourceLocation where);

  void read(std::uint64_t first, std::size_t count, std::span<const std::span<double>> out) override;
  using RowReader::read;

 private:
  void check_size();
  FitsColumn binary_column(int number) const;
  FitsColumn text_column(int number) const;
  std::optional<std::int64_t> null_number_of(int number) const;
  std::vector<std::size_t> lanes_of(int number, std::size_t repeat) const;
  void take_columns(const std::vector<FitsColumn>& all, const std::vector<std::string>& names);
  void take(const FitsColumn& column, const unsigned char* bytes, std::uint64_t row, double* out) const;
  double integer_of(const FitsColumn& column, std::int64_t number, std::uint64_t row) const;
  double text_number(const FitsColumn& column, std::string_view text, std::uint64_t row) const;
  [[noreturn]] void fail_in(const FitsColumn& column, std::uint64_t row, const std::string& why) const;

  FitsFile file_;
  bool is_text_ = false;
  std::size_t row_bytes_ = 0;
  std::vector<FitsColumn> sources_;
};

FitsRows::FitsRows(const std::string& path, const ReadOptions& options, SourceLocation where)
    : RowReader(path, where), file_(path, where) {
  file_.go_to_table(options.hdu);
  if (file_.keyword("ZTABLE") == "T") {
    fail(
        fmt::format("expected a table in '{}' whose rows stand in it one after the other, but this one is compressed "
                    "tile by tile (ZTABLE); unpack it by funpack",
                    path));
  }
  is_text_ = file_.table_kind() == ASCII_TBL;
  check_size();
  int count = 0;
  file_.call(fits_get_num_cols, &count);
  std::vector<FitsColumn> all;
  for (int number = 1; number <= count; ++number) all.push_back(is_text_ ? text_column(number) : binary_column(number));
  take_columns(all, options.columns);
}

void FitsRows::check_size() {
  LONGLONG width = 0, rows = 0, header = 0, data = 0, end = 0;
  if (!file_.call(fits_read_key, TLONGLONG, "NAXIS1", &width, nullptr) || !file_.call(fits_get_num_rowsll, &rows) ||
      !file_.call(fits_get_hduaddrll, &header, &data, &end) || width < 0 || rows < 0 || data < 0) {
    fail(
        fmt::format("expected the sizes of a table in '{}', but CFITSIO finds none: {}; check that the file is "
                    "complete",
                    path(), file_.last_error()));
  }
  const bool is_packed = file_.bytes() != unchanged_stamp().bytes;
  const std::uint64_t bytes = file_.bytes(), before = std::min(bytes, static_cast<std::uint64_t>(data));
  row_bytes_ = static_cast<std::size_t>(width);
  total_rows_ = static_cast<std::uint64_t>(rows);
  const std::uint64_t there = row_bytes_ == 0 ? total_rows_ : (bytes - before) / row_bytes_;
  if (there >= total_rows_) return;
  fail(
      fmt::format("expected the table in '{}' to be written in full, but it claims {} rows and the file holds {} of "
                  "them; check that {}",
                  path(), total_rows_, there,
                  is_packed ? "it is complete, by gunzip, and read what that makes of it" : "its writer has finished"));
}

std::vector<std::size_t> FitsRows::lanes_of(int number, std::size_t repeat) const {
  constexpr int most = 16;
  int count = 0;
  std::array<LONGLONG, most> lengths{};
  if (file_.call(fits_read_tdimll, number, most, &count, lengths.data()) && count > 1 && count <= most) {
    std::vector<std::size_t> lanes;  // the fastest axis is the first in FITS and the last here
    for (int axis = count; axis-- > 0;)
      lanes.push_back(static_cast<std::size_t>(lengths[static_cast<std::size_t>(axis)]));
    if (FileColumn{"", lanes}.numbers_per_row() == repeat) return lanes;
  }
  return repeat == 1 ? std::vector<std::size_t>{} : std::vector{repeat};
}

std::optional<std::int64_t> FitsRows::null_number_of(int number) const {
  const std::string text = file_.keyword(fmt::format("TNULL{}", number)).value_or("");
  std::int64_t null = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), null);
  return error == std::errc() && !text.empty() ? std::optional(null) : std::nullopt;
}

FitsColumn FitsRows::binary_column(int number) const {
  std::array<char, FLEN_VALUE> name{}, unit{}, code{}, display{};
  FitsColumn column;
  LONGLONG repeat = 0;
  const bool is_told = file_.call(fits_get_bcolparmsll, number, name.data(), unit.data(), code.data(), &repeat,
                                  &column.scale, &column.zero, nullptr, display.data());
  if (!is_told)
    fail(fmt::format("expected column {} of '{}' to be one of FITS, but: {}", number, path(), file_.last_error()));
  column.name = name.data();
  column.unit = unit.data();
  column.code = code[0];
  column.form = file_.text(fmt::format("TFORM{}", number));
  column.repeat = repeat < 0 ? 0 : static_cast<std::size_t>(repeat);
  column.offset = static_cast<std::size_t>(file_.get()->Fptr->tableptr[number - 1].tbcol);
  switch (column.code) {
    case 'I': column.width = 2; break;
    case 'J':
    case 'E': column.width = 4; break;
    case 'K':
    case 'D': column.width = 8; break;
    default: column.width = 1;
  }
  if (column.code == 'A') column.code = 'S';  // a text, not a number in text
  column.null_number = null_number_of(number);
  const std::size_t bytes = column.code == 'X' ? (column.repeat + 7) / 8 : column.repeat * column.width;
  if (column.is_number() &&
      (column.repeat > row_bytes_ * 8 || column.offset > row_bytes_ || bytes > row_bytes_ - column.offset)) {
    fail(fmt::format("expected column \"{}\" of '{}' to lie in the {} bytes of a row, but it does not; check the file",
                     printable(column.name), path(), row_bytes_));
  }
  if (column.is_number()) column.lanes = lanes_of(number, column.repeat);
  return column;
}

FitsColumn FitsRows::text_column(int number) const {
  std::array<char, FLEN_VALUE> name{}, unit{}, form{}, null{}, display{};
  FitsColumn column;
  long begin = 0;
  const bool is_told = file_.call(fits_get_acolparms, number, name.data(), &begin, unit.data(), form.data(),
                                  &column.scale, &column.zero, null.data(), display.data());
  int type = 0, decimals = 0, status = 0;
  long width = 0;
  fits_ascii_tform(form.data(), &type, &width, &decimals, &status);
  fits_clear_errmsg();
  if (!is_told || status != 0 || begin < 1 || width < 1 ||
      static_cast<std::size_t>(begin - 1) + static_cast<std::size_t>(width) > row_bytes_) {
    fail(fmt::format("expected column {} of '{}' to lie in the {} bytes of a row, but it does not; check the file",
                     number, path(), row_bytes_));
  }
  column.name = name.data();
  column.unit = unit.data();
  column.form = form.data();
  column.code = type == TSTRING ? 'S' : 'A';
  column.repeat = 1;
  column.offset = static_cast<std::size_t>(begin - 1);
  column.width = static_cast<std::size_t>(width);
  column.decimals = static_cast<std::size_t>(std::max(decimals, 0));
  column.null_text = null.data();
  return column;
}

void FitsRows::take_columns(const std::vector<FitsColumn>& all, const std::vector<std::string>& names) {
  std::vector<Candidate> there;
  for (const FitsColumn& column : all) {
    there.push_back({column.name, column.is_number() ? "" : "TFORM " + printable(column.form)});
  }
  for (const std::size_t place : choose(there, names, "name another HDU in ReadOptions::hdu")) {
    const FitsColumn& column = all[place];
    columns_.push_back({column.name, column.lanes, column.unit});
    sources_.push_back(column);
  }
}

void FitsRows::fail_in(const FitsColumn& column, std::uint64_t row, const std::string& why) const {
  fail(fmt::format("'{}', row {}, counted from 0, column \"{}\": {}", path(), row, printable(column.name), why));
}

void FitsRows::read(std::uint64_t first, std::size_t count, std::span<const std::span<double>> out) {
  constexpr std::size_t bytes_of_block = std::size_t{1} << 20;
  const std::size_t most = std::max<std::size_t>(bytes_of_block / std::max<std::size_t>(row_bytes_, 1), 1);
  std::vector<unsigned char> bytes(std::min(most, count) * row_bytes_);
  for (std::size_t begin = 0; begin < count; begin += most) {
    const std::size_t rows = std::min(most, count - begin);
    const auto row = static_cast<LONGLONG>(first + begin + 1), size = static_cast<LONGLONG>(rows * row_bytes_);
    if (size > 0 && !file_.call(fits_read_tblbytes, row, LONGLONG{1}, size, bytes.data())) {
      fail(
          fmt::format("expected to read rows [{}, {}) of '{}', but CFITSIO cannot: {}; check that the file is complete",
                      first + begin, first + begin + rows, path(), file_.last_error()));
    }
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      if (out[i].empty()) continue;
      double* to = out[i].data() + begin * sources_[i].repeat;
      for (std::size_t r = 0; r < rows; ++r, to += sources_[i].repeat) {
        take(sources_[i], bytes.data() + r * row_bytes_ + sources_[i].offset, first + begin + r, to);
      }
    }
  }
}

/// The bits of a number, whose bytes FITS has in the order of the most significant first.
template <class Bits>
Bits bits_at(const unsigned char* bytes) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < sizeof(Bits); ++i) bits = bits << 8U | bytes[i];
  return static_cast<Bits>(bits);
}

void FitsRows::take(const FitsColumn& column, const unsigned char* bytes, std::uint64_t row, double* out) const {
  const auto real = [&](double number) { return column.is_scaled() ? number * column.scale + column.zero : number; };
  for (std::size_t i = 0; i < column.repeat; ++i) {
    const unsigned char* at = bytes + i * column.width;
    switch (column.code) {
      case 'L':
        if (*at != 'T' && *at != 'F' && *at != 0) fail_in(column, row, "expected T or F");
        out[i] = *at == 0 ? missing_number : *at == 'T' ? 1.0 : 0.0;
        break;
      case 'X': out[i] = (bytes[i / 8] >> (7 - i % 8)) & 1; break;
      case 'B': out[i] = integer_of(column, *at, row); break;
      case 'I': out[i] = integer_of(column, static_cast<std::int16_t>(bits_at<std::uint16_t>(at)), row); break;
      case 'J': out[i] = integer_of(column, static_cast<std::int32_t>(bits_at<std::uint32_t>(at)), row); break;
      case 'K': out[i] = integer_of(column, static_cast<std::int64_t>(bits_at<std::uint64_t>(at)), row); break;
      case 'E': out[i] = real(static_cast<double>(std::bit_cast<float>(bits_at<std::uint32_t>(at)))); break;
      case 'D': out[i] = real(std::bit_cast<double>(bits_at<std::uint64_t>(at))); break;
      default: out[i] = text_number(column, std::string_view(reinterpret_cast<const char*>(at), column.width), row);
    }
  }
}

double FitsRows::integer_of(const FitsColumn& column, std::int64_t number, std::uint64_t row) const {
  constexpr double sign_bit = 9223372036854775808.0;  // unsigned integers are stored less this
  if (column.null_number == number) return missing_number;
  const bool is_unsigned = column.scale == 1.0 && column.zero == sign_bit;
  const auto whole = static_cast<std::uint64_t>(number) + (std::uint64_t{1} << 63U);
  const bool is_exact = is_unsigned ? detail::is_exact(whole) : column.scale != 1.0 || detail::is_exact(number);
  if (!is_exact) {
    fail_in(column, row,
            fmt::format("expected an integer that a double is equal to, got {}: {}",
                        is_unsigned ? fmt::format("{}", whole) : fmt::format("{}", number), detail::why_inexact));
  }
  if (is_unsigned) return static_cast<double>(whole);
  return static_cast<double>(number) * column.scale + column.zero;
}

double FitsRows::text_number(const FitsColumn& column, std::string_view text, std::uint64_t row) const {
  text = trimmed(text);
  if (text.empty() || (!column.null_text.empty() && text == trimmed(column.null_text))) return missing_number;
  try {
    double number = number_of(text);
    if (column.decimals > 0 && text.find('.') == std::string_view::npos && std::isfinite(number)) {
      const std::size_t exponent = std::min(text.find_first_of("eEdD"), text.size());
      const double power = exponent < text.size() ? number_of(text.substr(exponent + 1)) : 0.0;
      number =
          number_of(fmt::format("{}e{:.0f}", text.substr(0, exponent), power - static_cast<double>(column.decimals)));
    }
    return column.is_scaled() ? number * column.scale + column.zero : number;
  } catch (const TextError& error) {
    fail_in(column, row, error.what());
  }
}

}  // namespace

std::unique_ptr<RowReader> open_fits_rows(const std::string& file, const ReadOptions& options, SourceLocation where) {
  const std::lock_guard lock(library_mutex());
  return std::make_unique<FitsRows>(file, options, where);
}

}  // namespace allgrad
