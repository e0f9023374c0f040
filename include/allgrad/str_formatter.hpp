#pragma once

#include <fmt/format.h>

#include <concepts>
#include <ostream>
#include <string>

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

namespace allgrad {

/// What prints by fmt prints to streams too.
template <class T>
requires requires(const T& value) {
  { value.str() } -> std::convertible_to<std::string>;
}
std::ostream& operator<<(std::ostream& out, const T& value) { return out << value.str(); }

}  // namespace allgrad
