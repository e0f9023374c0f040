#pragma once

#include <cstddef>
#include <string>
#include <type_traits>

namespace allgrad {

/// An index, an end of a range or the number of an axis or a key, of any integer type. An unsigned 0 - 1 is not taken
/// for -1, which would count from the end: it is out of bounds of everything.
class Position {
 public:
  template <class T>
  requires std::is_integral_v<T>
  constexpr Position(T value) : value_(static_cast<std::ptrdiff_t>(value)), too_large_(value > T{0} && value_ < 0) {}

  constexpr std::ptrdiff_t value() const { return value_; }

  /// True for an unsigned number beyond all axes.
  constexpr bool is_too_large() const { return too_large_; }

  /// The number as it was given, which for one that is too large says what it may come from.
  std::string str() const;

  friend constexpr bool operator==(const Position&, const Position&) = default;

 private:
  std::ptrdiff_t value_;
  bool too_large_;
};

}  // namespace allgrad
