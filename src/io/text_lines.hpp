#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "allgrad/source_location.hpp"

namespace allgrad {

/// Walks over the lines of a text file from any byte on. Throws DataError where the file cannot be read, or a line is
/// longer than lines of numbers are.
class TextLines {
 public:
  TextLines(std::string path, SourceLocation where);
  ~TextLines();
  TextLines(const TextLines&) = delete;
  TextLines& operator=(const TextLines&) = delete;

  std::uint64_t bytes() const { return bytes_; }

  /// Where the next line begins.
  std::uint64_t offset() const { return offset_ + begin_; }

  /// Goes to a byte at which a line begins.
  void seek(std::uint64_t offset);

  /// Goes to the first line that begins at this byte or behind it.
  void seek_line(std::uint64_t offset);

  /// The next line, without its end, as "\n" or "\r\n", and without a byte order mark; valid until the next call. False
  /// at the end of the file.
  bool next(std::string_view& line) { return take(0, line); }

  /// What was taken last once more, with the line behind it. False, without one, at the end of the file.
  bool extend(std::string_view& lines);

 private:
  bool take(std::size_t known, std::string_view& line);
  bool fill();
  [[noreturn]] void fail(const std::string& why) const;

  std::string path_;
  SourceLocation where_;
  int descriptor_;
  std::uint64_t bytes_ = 0;
  std::uint64_t offset_ = 0;         // of the buffer in the file
  std::vector<char> buffer_;         // what is read,
  std::size_t begin_ = 0, end_ = 0;  // of which [begin_, end_) is not taken yet
  std::size_t last_ = 0;             // and [last_, begin_) was taken last
};

}  // namespace allgrad
