#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "allgrad/source_location.hpp"

namespace allgrad {

/// What changes where a file is written to or replaced.
struct FileStamp {
  std::uint64_t bytes = 0;
  std::uint64_t modified = 0;  // nanoseconds since 1970

  bool operator==(const FileStamp&) const = default;
};

/// The stamp of a file that is to be read. Throws DataError where it is missing, empty, may not be read, or is no
/// regular file: a pipe would make the reader wait, a device has no end.
FileStamp stamp_readable_file(const std::string& path, SourceLocation where);

}  // namespace allgrad
