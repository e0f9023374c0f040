#pragma once

#include <fmt/format.h>

#include <span>
#include <string_view>

#include "allgrad/error.hpp"

namespace allgrad {

/// Throws ArgumentError where `room` for derivatives is not of `size` numbers.
inline void check_room(std::span<const double> room, std::size_t size, SourceLocation where,
                       std::string_view what = "gradient of {} numbers, one for each parameter") {
  if (room.size() == size) return;
  throw ArgumentError(fmt::format("expected room for a {}, got {}; pass a span of as many",
                                  fmt::format(fmt::runtime(what), size), room.size()),
                      where);
}

inline void check_hessian_room(std::span<const double> hessian, std::size_t num_params, SourceLocation where) {
  check_room(hessian, num_params * num_params, where, "Hessian of {} numbers, one for each pair of parameters");
}

}  // namespace allgrad
