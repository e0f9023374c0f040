#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "allgrad/read_options.hpp"
#include "io/row_reader.hpp"

namespace allgrad {

namespace detail {

/// Rows that are in memory: for each column its numbers in row-major order.
struct RowBlock {
  std::span<const FileColumn> columns;
  std::span<const std::span<double>> values;

  /// The place of a column; none where there is no such column. In each row the same ones are asked for, mostly in the
  /// same order, so that one name is compared.
  std::optional<std::size_t> find(std::string_view name) const;

  Row row(std::size_t index) const {
    num_found = 0;
    return {*this, index};
  }

  mutable std::vector<std::size_t> found = {};  // in the row before, in the order asked for
  mutable std::size_t num_found = 0;            // in this row
};

}  // namespace detail

/// Moves the rows of the first `count` that `where` keeps to the front, in their order. Returns how many they are.
std::size_t cut_rows(const std::function<bool(const Row&)>& where, std::size_t count,
                     std::span<const FileColumn> columns, std::span<const std::span<double>> values);

}  // namespace allgrad
