#pragma once

#include <span>

#include "allgrad/read_options.hpp"
#include "io/row_reader.hpp"

namespace allgrad {

namespace detail {

/// Rows that are in memory: for each column its numbers in row-major order.
struct RowBlock {
  std::span<const FileColumn> columns;
  std::span<const std::span<double>> values;

  Row row(std::size_t index) const { return {*this, index}; }
};

}  // namespace detail

/// Moves the rows of the first `count` that `where` keeps to the front, in their order. Returns how many they are.
std::size_t cut_rows(const std::function<bool(const Row&)>& where, std::size_t count,
                     std::span<const FileColumn> columns, std::span<const std::span<double>> values);

}  // namespace allgrad
