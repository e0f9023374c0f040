#include "io/file_format.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "allgrad/error.hpp"
#include "base/ascii.hpp"

namespace allgrad {

namespace {

constexpr std::string_view hdf5_signature = "\x89HDF\r\n\x1a\n";
constexpr std::string_view fits_signature = "SIMPLE  =";
constexpr std::string_view gzip_signature = "\x1f\x8b";

std::string bytes_at(std::ifstream& input, std::uint64_t offset, std::size_t count) {
  std::string bytes(count, '\0');
  input.clear();
  input.seekg(static_cast<std::streamoff>(offset));
  input.read(bytes.data(), static_cast<std::streamsize>(count));
  bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(input.gcount(), 0)));
  return bytes;
}

/// HDF5 may begin behind a block of the user's, at 512 bytes or a power of 2 beyond.
bool has_hdf5_signature(std::ifstream& input) {
  for (std::uint64_t offset = 0;; offset = std::max<std::uint64_t>(512, 2 * offset)) {
    const std::string bytes = bytes_at(input, offset, hdf5_signature.size());
    if (bytes == hdf5_signature) return true;
    if (bytes.size() < hdf5_signature.size()) return false;
  }
}

bool has_ending(const std::filesystem::path& file, std::initializer_list<std::string_view> endings) {
  return std::ranges::find(endings, lowercase(file.extension().string())) != endings.end();
}

bool is_named_fits(const std::filesystem::path& file) { return has_ending(file, {".fits", ".fit", ".fts"}); }

}  // namespace

FileFormat format_of(const std::string& file, SourceLocation where) {
  constexpr std::size_t enough = 4096;
  std::ifstream input(file, std::ios::binary);
  const std::string bytes = bytes_at(input, 0, enough);
  if (bytes.starts_with(fits_signature)) return FileFormat::fits;
  if (has_hdf5_signature(input)) return FileFormat::hdf5;
  if (bytes.starts_with(gzip_signature)) {
    const std::filesystem::path name(file);
    if (is_named_fits(has_ending(name, {".gz"}) ? name.stem() : name)) return FileFormat::fits;
    throw DataError(fmt::format("expected a file of rows '{}', but it is compressed, so that no rank can read its part "
                                "alone; unpack it by gunzip, or name it .fits.gz where it is a FITS file",
                                file),
                    where);
  }
  if (has_ending(file, {".h5", ".hdf5", ".hdf", ".he5"})) return FileFormat::hdf5;
  if (is_named_fits(file)) return FileFormat::fits;
  const auto is_no_text = [](unsigned char c) { return c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f'; };
  if (std::ranges::none_of(bytes, is_no_text)) return FileFormat::text;
  throw DataError(
      fmt::format("expected an HDF5 file, a FITS file, or text such as CSV in '{}', but it begins like none "
                  "of them; write the table in one of these formats",
                  file),
      where);
}

bool is_compressed(const std::string& file) {
  std::ifstream input(file, std::ios::binary);
  return bytes_at(input, 0, gzip_signature.size()) == gzip_signature;
}

}  // namespace allgrad
