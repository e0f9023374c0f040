#include "comm/file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "allgrad/error.hpp"

namespace allgrad {

namespace {

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

// On one rank, with the status in front.
std::string read_here(const std::string& file, const std::function<std::string(const std::string&)>& read) {
  using Status = FileText::Status;
  const auto answer = [](Status status, const std::string& text) { return static_cast<char>(status) + text; };
  if (access(file.c_str(), F_OK) != 0 && errno == ENOENT) return answer(Status::absent, {});
  // A pipe would make the reader wait, a device may have no end.
  std::error_code unknown;
  if (std::filesystem::is_other(file, unknown)) return answer(Status::unreadable, "Not a regular file");
  try {
    return answer(Status::read, read(file));
  } catch (const DataError& error) {
    return answer(Status::unreadable, error.what());
  }
}

}  // namespace

void replace_file(const std::string& file, std::initializer_list<std::string_view> parts) {
  const std::string next = file + ".tmp";
  OpenFile out(next, O_WRONLY | O_CREAT | O_TRUNC);
  try {
    for (const std::string_view part : parts) out.write(part);
    out.to_disk();
    out.close();
    if (std::rename(next.c_str(), file.c_str()) != 0) OpenFile::fail();
  } catch (...) {
    unlink(next.c_str());
    throw;
  }
  OpenFile(folder_of(file), O_RDONLY | O_DIRECTORY).to_disk();
}

FileText read_file(const std::string& file, const Communicator& comm) {
  return read_by(
      file, [](const std::string& path) { return OpenFile(path, O_RDONLY).read(); }, comm);
}

FileText read_by(const std::string& file, const std::function<std::string(const std::string&)>& read,
                 const Communicator& comm) {
  // The status travels with the text, so that all ranks throw the same.
  std::string text = comm.guarded([&] { return comm.is_root() ? read_here(file, read) : std::string(); });
  text = comm.broadcast(text, 0);
  return {static_cast<FileText::Status>(text.front()), text.substr(1)};
}

}  // namespace allgrad
