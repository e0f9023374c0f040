#include "allgrad/position.hpp"

#include <fmt/format.h>

namespace allgrad {

std::string Position::str() const {
  if (!too_large_) return std::to_string(value_);
  return fmt::format("{} (0 - {} in an unsigned type, which has no numbers below 0)", static_cast<std::size_t>(value_),
                     std::size_t{0} - static_cast<std::size_t>(value_));
}

}  // namespace allgrad
