#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "allgrad/communicator.hpp"

namespace allgrad {

/// The content of a file, where there is one.
struct FileText {
  enum class Status : char { absent, read, unreadable };
  Status status;
  std::string text;  // where it is unreadable, why
};

/// What is in `file` as rank 0 sees it, on every rank; collective.
FileText read_file(const std::string& file, const Communicator& comm);

/// The same of what `read` makes of it, which throws DataError where it cannot be read.
FileText read_by(const std::string& file, const std::function<std::string(const std::string&)>& read,
                 const Communicator& comm);

/// Puts a file of these parts, one after the other, in place of `file` once it is on the disk. Throws DataError, which
/// says why, where that fails: the former one stays.
void replace_file(const std::string& file, std::initializer_list<std::string_view> parts);

}  // namespace allgrad
