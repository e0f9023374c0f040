#include "io/fits_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <charconv>
#include <vector>

#include "allgrad/error.hpp"
#include "base/utf8.hpp"

namespace allgrad {

FitsFile::FitsFile(std::string path, SourceLocation where) : path_(std::move(path)), where_(where) {
  const std::string plain = path_.starts_with('/') ? path_ : "./" + path_;  // without a meaning of its first letters
  const std::lock_guard lock(library_mutex());
  int status = 0;
  fits_open_diskfile(&file_, plain.c_str(), READONLY, &status);
  if (note(status)) return;
  fail(fmt::format("expected a FITS file '{}', but CFITSIO cannot open it: {}; check that it is a complete FITS file",
                   path_, last_error_));
}

FitsFile::~FitsFile() {
  const std::lock_guard lock(library_mutex());
  int status = 0;
  fits_close_file(file_, &status);
  fits_clear_errmsg();
}

void FitsFile::fail(const std::string& message) const { throw DataError(message, where_); }

bool FitsFile::note(int status) const {
  if (status == 0) return true;
  last_status_ = status;
  std::array<char, FLEN_STATUS> text{};
  fits_get_errstatus(status, text.data());
  last_error_ = text.data();
  std::array<char, FLEN_ERRMSG> detail{};
  if (fits_read_errmsg(detail.data()) != 0) last_error_ += fmt::format(" ({})", printable(detail.data()));
  fits_clear_errmsg();
  return false;
}

int FitsFile::table_kind() const {
  int kind = IMAGE_HDU;
  return call(fits_get_hdu_type, &kind) && kind != IMAGE_HDU ? kind : 0;
}

bool FitsFile::go_to(const std::string& hdu) {
  std::string name = hdu;
  if (call(fits_movnam_hdu, ANY_HDU, name.data(), 0)) return true;
  int number = 0;
  const auto [end, error] = std::from_chars(hdu.data(), hdu.data() + hdu.size(), number);
  constexpr int most = 1 << 20;
  if (error != std::errc() || end != hdu.data() + hdu.size() || number < 0 || number > most) return false;
  return call(fits_movabs_hdu, number + 1, nullptr);
}

bool FitsFile::go_to_first_table() {
  for (int number = 2; call(fits_movabs_hdu, number, nullptr); ++number) {
    if (table_kind() != 0) return true;
  }
  return false;
}

void FitsFile::go_to_table(const std::string& hdu) {
  if (!hdu.empty()) {
    if (!go_to(hdu)) {
      fail(fmt::format("expected an HDU \"{}\" in '{}', but it has {}; name one of them, by its name or number", hdu,
                       path_, hdus_there()));
    }
    if (table_kind() != 0) return;
    fail(fmt::format("expected HDU \"{}\" of '{}' to be a table, but it is an image; the file has {}", hdu, path_,
                     hdus_there()));
  }
  if (go_to_first_table()) return;
  if (last_status_ != END_OF_FILE) {
    fail(fmt::format("expected a table in '{}', but CFITSIO cannot read its HDUs: {}; check that the file is complete",
                     path_, last_error_));
  }
  fail(fmt::format("expected a table in '{}', but it has {}", path_, hdus_there()));
}

/// "0 (image), 1 HALOS (table)".
std::string FitsFile::hdus_there() {
  constexpr int most = 50;
  std::vector<std::string> found;
  for (int number = 0; number < most && call(fits_movabs_hdu, number + 1, nullptr); ++number) {
    const std::string name = printable(text("EXTNAME"));
    found.push_back(
        fmt::format("{}{}{} ({})", number, name.empty() ? "" : " ", name, table_kind() != 0 ? "table" : "image"));
  }
  return found.empty() ? "none" : fmt::format("{}", fmt::join(found, ", "));
}

std::string FitsFile::text(const std::string& name) const {
  std::array<char, FLEN_VALUE> value{};
  return call(fits_read_key, TSTRING, name.c_str(), value.data(), nullptr) ? value.data() : "";
}

std::optional<std::string> FitsFile::keyword(const std::string& name) const {
  std::array<char, FLEN_VALUE> value{};
  if (name.size() >= FLEN_KEYWORD || !call(fits_read_keyword, name.c_str(), value.data(), nullptr)) return std::nullopt;
  return value.data();
}

}  // namespace allgrad
