#pragma once

#include <concepts>
#include <string_view>

#include "allgrad/source_location.hpp"

namespace allgrad {

/// A name, as an argument, with the line that it was written on.
struct Name {
  template <class T>
  requires std::convertible_to<const T&, std::string_view> Name(const T& name,
                                                                SourceLocation location = SourceLocation::current())
      : text(name), where(location) {}
  std::string_view text;
  SourceLocation where;
};

}  // namespace allgrad
