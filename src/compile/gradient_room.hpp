#pragma once

#include <fmt/format.h>

#include <span>

#include "allgrad/error.hpp"

namespace allgrad {

/// Throws ArgumentError where `gradient` is not of `num_params` numbers.
inline void check_room(std::span<const double> gradient, std::size_t num_params, SourceLocation where) {
  if (gradient.size() == num_params) return;
  throw ArgumentError(
      fmt::format("expected room for a gradient of {} numbers, one for each parameter, got {}; pass a span of as many",
                  num_params, gradient.size()),
      where);
}

}  // namespace allgrad
