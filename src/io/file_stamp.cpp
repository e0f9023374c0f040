#include "io/file_stamp.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "allgrad/error.hpp"

namespace allgrad {

namespace {

const char* file_kind(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe (FIFO)";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

[[noreturn]] void refuse_file(const std::string& path, const std::string& why, SourceLocation where) {
  throw DataError(fmt::format("expected a file '{}', but {}", path, why), where);
}

std::string cause_text(int cause) { return std::generic_category().message(cause); }

}  // namespace

FileStamp stamp_readable_file(const std::string& path, SourceLocation where) {
  // Looked at before it is opened: opening a pipe waits for its writer, opening a device may do anything.
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    const int cause = errno;
    std::error_code none;
    refuse_file(path,
                fmt::format("{}; check the path (this process runs in '{}')",
                            cause == ENOENT ? "there is none" : "it cannot be found: " + cause_text(cause),
                            std::filesystem::current_path(none).string()),
                where);
  }
  if (!S_ISREG(status.st_mode)) {
    refuse_file(path, fmt::format("it is {}; name a regular file", file_kind(status.st_mode)), where);
  }
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    refuse_file(path, fmt::format("this process may not read it: {}; check who may read the file", cause_text(errno)),
                where);
  }
  close(descriptor);
  if (status.st_size == 0) refuse_file(path, "it is empty; check that its writer has finished", where);

  constexpr std::uint64_t nanoseconds = 1'000'000'000;
  return {.bytes = static_cast<std::uint64_t>(status.st_size),
          .modified = static_cast<std::uint64_t>(status.st_mtim.tv_sec) * nanoseconds +
                      static_cast<std::uint64_t>(status.st_mtim.tv_nsec)};
}

}  // namespace allgrad
