#include "allgrad/source_location.hpp"

#include <fmt/format.h>

#include <string_view>

namespace allgrad {

std::string SourceLocation::str() const {
  if (!known()) return {};
  std::string_view name = file;
  if (const auto slash = name.find_last_of("/\\"); slash != std::string_view::npos) name.remove_prefix(slash + 1);
  return fmt::format("{}:{}", name, line);
}

}  // namespace allgrad
