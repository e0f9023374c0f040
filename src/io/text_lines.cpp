#include "io/text_lines.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "allgrad/error.hpp"

namespace allgrad {

namespace {

constexpr std::size_t usual_buffer = std::size_t{1} << 18;
constexpr std::size_t longest_line = std::size_t{1} << 26;
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

}  // namespace

TextLines::TextLines(std::string path, SourceLocation where)
    : path_(std::move(path)), where_(where), descriptor_(open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {
  struct stat status {};
  if (descriptor_ < 0 || fstat(descriptor_, &status) != 0) {
    const int cause = errno;
    if (descriptor_ >= 0) close(descriptor_);
    fail(std::generic_category().message(cause));
  }
  bytes_ = static_cast<std::uint64_t>(status.st_size);
  buffer_.resize(usual_buffer);
}

TextLines::~TextLines() { close(descriptor_); }

void TextLines::fail(const std::string& why) const {
  throw DataError(fmt::format("expected to read the text file '{}', but it cannot be read: {}; check that it is "
                              "complete and that this process may read it",
                              path_, why),
                  where_);
}

void TextLines::seek(std::uint64_t offset) {
  if (offset >= offset_ && offset <= offset_ + end_) {
    begin_ = static_cast<std::size_t>(offset - offset_);
    return;
  }
  offset_ = offset;
  begin_ = end_ = 0;
}

void TextLines::seek_line(std::uint64_t offset) {
  if (offset == 0) return seek(0);
  seek(offset - 1);  // the end of a line there makes the byte the beginning of one
  std::string_view rest;
  next(rest);
}

/// Reads on behind what is not taken yet, which moves to the beginning. False at the end of the file.
bool TextLines::fill() {
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  offset_ += begin_;
  end_ -= begin_;
  begin_ = 0;
  if (end_ == buffer_.size()) {
    if (buffer_.size() >= longest_line) {
      fail(
          fmt::format("the line that begins at byte {} has more than {} bytes; where a text in quotes begins on it, "
                      "check that it ends",
                      offset_, longest_line));
    }
    buffer_.resize(2 * buffer_.size());
  }
  while (true) {
    const ssize_t count =
        pread(descriptor_, buffer_.data() + end_, buffer_.size() - end_, static_cast<off_t>(offset_ + end_));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(std::generic_category().message(errno));
    end_ += static_cast<std::size_t>(count);
    return count > 0;
  }
}

/// Up to the first end of a line behind `known` bytes. False where the file ends there.
bool TextLines::take(std::size_t known, std::string_view& line) {
  std::size_t searched = begin_ + known;
  const char* newline = nullptr;
  while (true) {
    if (searched < end_) {
      newline = static_cast<const char*>(std::memchr(buffer_.data() + searched, '\n', end_ - searched));
      if (newline != nullptr) break;
    }
    const std::size_t had = end_ - begin_;
    const bool more = fill();
    searched = had;
    if (!more) break;
  }
  const bool is_there = newline != nullptr || end_ - begin_ > known;
  if (!is_there && known == 0) return false;
  const std::size_t last = newline != nullptr ? static_cast<std::size_t>(newline - buffer_.data()) : end_;
  line = std::string_view(buffer_.data() + begin_, last - begin_);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (offset() == 0 && line.starts_with(byte_order_mark)) line.remove_prefix(byte_order_mark.size());
  last_ = begin_;
  begin_ = newline != nullptr ? last + 1 : end_;
  return is_there;
}

bool TextLines::extend(std::string_view& lines) {
  const std::size_t known = begin_ - last_;
  begin_ = last_;
  return take(known, lines);
}

}  // namespace allgrad
