#include "optimizers/checkpoint_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "optimizers/archive.hpp"

namespace allgrad {

namespace {

constexpr std::string_view magic = "allgrad checkpoint\n";
constexpr std::uint64_t format_version = 1;  // of what is in the file: another one is refused

std::uint64_t checksum_of(std::string_view text) {
  Fingerprint hash;
  hash.add(text);
  return hash.value();
}

// A file that is open, by its descriptor.
class OpenFile {
 public:
  OpenFile(const std::string& path, int flags) : fd_(open(path.c_str(), flags | O_CLOEXEC, 0666)) {
    if (fd_ < 0) fail();
  }
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  void write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t count = ::write(fd_, text.data(), text.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail();
      text.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  std::string read() {
    std::string text;
    char buffer[1 << 16];
    for (;;) {
      const ssize_t count = ::read(fd_, buffer, sizeof buffer);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail();
      if (count == 0) return text;
      text.append(buffer, static_cast<std::size_t>(count));
    }
  }

  void to_disk() {
    while (fsync(fd_) != 0) {
      if (errno != EINTR) fail();
    }
  }

  void close() {
    const int fd = std::exchange(fd_, -1);
    if (::close(fd) != 0 && errno != EINTR) fail();
  }

  [[noreturn]] static void fail() { throw DataError(std::strerror(errno)); }

 private:
  int fd_;
};

std::string folder_of(const std::string& file) {
  const std::size_t slash = file.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : file.substr(0, slash);
}

void check_identity(const Identity& found, const Identity& expected, const CheckpointName& name) {
  for (std::size_t i = 0; i < std::max(found.size(), expected.size()); ++i) {
    if (i < found.size() && i < expected.size() && found[i] == expected[i]) continue;
    const auto text = [&](const Identity& of) {
      return i < of.size() ? fmt::format("{} = {}", of[i].first, of[i].second) : std::string("nothing more");
    };
    name.refuse(fmt::format("one of another run: expected {}, got {}", text(expected), text(found)));
  }
}

}  // namespace

void CheckpointName::refuse(std::string_view found) const {
  throw DataError(fmt::format("{}: expected a checkpoint of this run in '{}', got {}. Give the run what it was started "
                              "with, or remove the file to start from the guess.",
                              optimizer, file, found),
                  where);
}

void write_checkpoint(const std::string& file, Identity identity, std::string state) {
  Archive body;
  body(identity, state);
  Archive head;
  std::uint64_t version = format_version, checksum = checksum_of(body.written());
  head(version, checksum);

  const std::string next = file + ".tmp";
  OpenFile out(next, O_WRONLY | O_CREAT | O_TRUNC);
  try {
    out.write(magic);
    out.write(head.written());
    out.write(body.written());
    out.to_disk();
    out.close();
    if (std::rename(next.c_str(), file.c_str()) != 0) OpenFile::fail();
  } catch (...) {
    unlink(next.c_str());
    throw;
  }
  OpenFile(folder_of(file), O_RDONLY | O_DIRECTORY).to_disk();
}

CheckpointText read_checkpoint(const std::string& file) {
  using enum CheckpointText::Status;
  if (access(file.c_str(), F_OK) != 0 && errno == ENOENT) return {absent, {}};
  try {
    return {read, OpenFile(file, O_RDONLY).read()};
  } catch (const DataError& error) {
    return {unreadable, error.what()};
  }
}

std::string checked_state(std::string_view text, const CheckpointName& name, const Identity& identity) {
  if (!text.starts_with(magic)) name.refuse("something else");
  text.remove_prefix(magic.size());
  std::uint64_t version = 0, checksum = 0;
  Identity found;
  std::string state;
  try {
    Archive head(text);
    head(version, checksum);
    text = head.rest();
  } catch (const DataError&) {
    name.refuse("one that is cut off");
  }
  if (version != format_version) {
    name.refuse(
        fmt::format("one in version {} of its format, where this allgrad reads version {}", version, format_version));
  }
  if (checksum != checksum_of(text)) name.refuse("one that is damaged or cut off: its checksum is wrong");
  Archive body(text);
  body(found, state);
  check_identity(found, identity, name);
  return state;
}

}  // namespace allgrad
