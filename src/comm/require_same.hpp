#pragma once

#include <cstdint>
#include <span>

#include "allgrad/communicator.hpp"
#include "allgrad/error.hpp"

namespace allgrad {

/// Collective, as a part of `operation`: throws on every rank where the values are not the same on all. What is thrown
/// is what `error` makes of the smallest index at which they differ, a DivergenceError.
template <class F>
void require_same(std::span<const std::uint64_t> values, const Communicator& comm, const Operation& operation,
                  F error) {
  const std::size_t different = comm.first_difference(values, operation);
  if (different < values.size()) throw error(different);
}

/// The same of one value.
template <class F>
void require_same(std::uint64_t value, const Communicator& comm, const Operation& operation, F error) {
  require_same(std::span(&value, 1), comm, operation, [&](std::size_t) { return error(); });
}

}  // namespace allgrad
