#include "allgrad/error.hpp"

#include <fmt/format.h>

namespace allgrad {

namespace {

std::string with_line(const std::string& message, const SourceLocation& where) {
  return where.known() ? fmt::format("{}: {}", where.str(), message) : message;
}

}  // namespace

Error::Error(const std::string& message, SourceLocation where)
    : std::runtime_error(with_line(message, where)), where_(where) {}

RankError::RankError(int rank, const std::string& message, SourceLocation where)
    : Error(message, where), rank_(rank) {}

InternalError::InternalError(const std::string& message) : Error("defect in allgrad, please report it: " + message) {}

}  // namespace allgrad
