#pragma once

#include <fmt/format.h>

#include <exception>
#include <span>

#include "allgrad/communicator.hpp"
#include "allgrad/error.hpp"

namespace allgrad {

/// Lets this rank fail in its next collective where `gradient` is not of `num_params` numbers.
inline void require_room(std::span<const double> gradient, std::size_t num_params, const Communicator& comm,
                         SourceLocation where) {
  if (gradient.size() == num_params) return;
  comm.fail(std::make_exception_ptr(ArgumentError(
      fmt::format("expected room for a gradient of {} numbers, one for each parameter, got {}; pass a span of as many",
                  num_params, gradient.size()),
      where)));
}

}  // namespace allgrad
