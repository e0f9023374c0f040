#include "io/row_cut.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "allgrad/error.hpp"

namespace allgrad {

double Row::number(const Name& name, std::size_t lane, bool is_only) const {
  const auto& columns = block_->columns;
  const auto found = std::ranges::find_if(columns, [&](const FileColumn& column) { return column.name == name.text; });
  if (found == columns.end()) {
    std::vector<std::string> names;
    for (const FileColumn& column : columns) names.push_back(column.name);
    throw DataError(
        fmt::format("expected a column that is read in ReadOptions::where, one of {}, got \"{}\"; name it in "
                    "ReadOptions::columns",
                    names, name.text),
        name.where);
  }
  const std::size_t per_row = found->numbers_per_row();
  if (lane >= per_row || (is_only && !found->lanes.empty())) {
    throw DataError(
        fmt::format("column \"{}\" has the shape [rows{}{}]; say in ReadOptions::where which number of a row "
                    "is meant, as row(\"{}\", 0)",
                    name.text, found->lanes.empty() ? "" : ", ", fmt::join(found->lanes, ", "), name.text),
        name.where);
  }
  return block_->values[static_cast<std::size_t>(found - columns.begin())][index_ * per_row + lane];
}

std::size_t cut_rows(const std::function<bool(const Row&)>& where, std::size_t count,
                     std::span<const FileColumn> columns, std::span<const std::span<double>> values) {
  const detail::RowBlock block{columns, values};
  std::size_t kept = 0;
  for (std::size_t row = 0; row < count; ++row) {
    if (!where(block.row(row))) continue;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::size_t per_row = columns[i].numbers_per_row();
      const auto from = values[i].subspan(row * per_row, per_row);
      if (kept != row) std::ranges::copy(from, values[i].begin() + static_cast<std::ptrdiff_t>(kept * per_row));
    }
    ++kept;
  }
  return kept;
}

}  // namespace allgrad
