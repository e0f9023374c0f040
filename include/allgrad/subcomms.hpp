#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>
#include <xtensor/xexpression.hpp>

#include "allgrad/communicator.hpp"
#include "allgrad/error.hpp"
#include "allgrad/exact.hpp"
#include "allgrad/expr.hpp"
#include "allgrad/source_location.hpp"

namespace allgrad {

/// How to split a communicator: into `num_groups` groups of about equal size, of which the first have one rank more
/// where they cannot be equal, or into groups of given sizes. Exactly one of the two is set.
struct SplitOptions {
  std::optional<int> num_groups = {};
  std::vector<int> ranks_per_group = {};
};

/// The group of this rank, of those that a communicator was split into. It can be taken apart:
/// const auto [subcomm, num_groups, group_rank] = split_subcomms({.num_groups = 2});
struct Subcomm {
  Communicator subcomm;  ///< of the ranks of the group, in their order
  int num_groups;
  int group_rank;  ///< the number of the group, from 0
};

/// Splits `comm` into contiguous groups of ranks. Collective. Throws ArgumentError on every rank where there would be
/// more groups than ranks, or where `ranks_per_group` does not add up to the number of ranks or has one below 1;
/// DivergenceError where ranks ask for different groups.
Subcomm split_subcomms(const SplitOptions& split, const Communicator& comm = Communicator::world(),
                       SourceLocation where = SourceLocation::current());

/// One group for each node, that is for ranks that share memory (MPI_COMM_TYPE_SHARED), numbered in the order of their
/// first ranks. Collective.
Subcomm split_subcomms_by_node(const Communicator& comm = Communicator::world(),
                               SourceLocation where = SourceLocation::current());

namespace detail {

/// Sums numbers over ranks, in place; collective. Throws DivergenceError where ranks have arrays of different shapes.
void sum_over_ranks(std::span<double> values, std::span<const std::size_t> shape, const Communicator& comm,
                    SourceLocation where);

/// Throws ArgumentError where a sum of whole numbers may have been rounded.
inline void check_whole_sum(const std::string& own, double sum_of_magnitudes, SourceLocation where) {
  if (sum_of_magnitudes < 0x1p53) return;
  throw ArgumentError(fmt::format("reduce_sum: expected whole numbers whose magnitudes add up to less than 2^53 = "
                                  "9007199254740992, got {:.17g} in all, {} on this rank; sum them as doubles where a "
                                  "rounded sum will do",
                                  sum_of_magnitudes, own),
                      where);
}

/// Throws ArgumentError on every rank where `root` is not a rank, DivergenceError where ranks name different ones.
void check_root(int root, const Communicator& comm, SourceLocation where);

}  // namespace detail

/// The sum of each rank's number, on every rank, as a double or, of whole numbers, as a std::int64_t. Collective.
/// Throws ArgumentError on every rank where whole numbers add up to 2^53 or more, all taken as positive, and a double
/// might not hold their sum.
template <class T>
requires std::is_arithmetic_v<T>
auto reduce_sum(T value, const Communicator& comm = Communicator::world(),
                SourceLocation where = SourceLocation::current()) {
  const auto number = static_cast<double>(value);
  if constexpr (std::is_floating_point_v<T>) {
    double sum = number;
    detail::sum_over_ranks({&sum, 1}, {}, comm, where);
    return sum;
  } else {
    double sums[] = {number, std::abs(number)};
    const std::size_t shape[] = {2};
    detail::sum_over_ranks(sums, shape, comm, where);
    comm.attempt([&] { detail::check_whole_sum(std::to_string(value), sums[1], where); });
    return static_cast<std::int64_t>(sums[0]);
  }
}

/// The elementwise sum of each rank's array, on every rank, in the same shape. Collective. Throws DivergenceError where
/// ranks have arrays of different shapes, ArgumentError for an integer that no double equals.
template <class E>
Array reduce_sum(const xt::xexpression<E>& value, const Communicator& comm = Communicator::world(),
                 SourceLocation where = SourceLocation::current()) {
  using T = typename E::value_type;
  std::vector<std::size_t> shape;
  Array array = comm.attempt([&]() -> Array {
    shape.assign(value.derived_cast().shape().begin(), value.derived_cast().shape().end());
    if constexpr (std::is_integral_v<T>) {
      return detail::exact_array(value, where);
    } else {
      return value.derived_cast();
    }
  });
  detail::sum_over_ranks({array.data(), array.size()}, shape, comm, where);
  return array;
}

/// The sum of each rank's number or array on rank `root`; nothing on the other ranks. Collective. Throws ArgumentError
/// on every rank where `root` is not a rank of `comm`, DivergenceError where ranks name different ones.
template <class T>
auto reduce_sum(const T& value, int root, const Communicator& comm = Communicator::world(),
                SourceLocation where = SourceLocation::current())
    -> std::optional<decltype(reduce_sum(value, comm, where))> {
  detail::check_root(root, comm, where);
  auto sum = reduce_sum(value, comm, where);
  return comm.rank() == root ? std::optional(std::move(sum)) : std::nullopt;
}

}  // namespace allgrad
