#pragma once

#include <fmt/format.h>

namespace allgrad::detail {

/// Prints a T as its str().
template <class T>
struct StrFormatter : fmt::formatter<fmt::string_view> {
  template <class Context>
  auto format(const T& value, Context& context) const {
    return fmt::formatter<fmt::string_view>::format(value.str(), context);
  }
};

}  // namespace allgrad::detail
