#include "io/row_cut.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "allgrad/error.hpp"

namespace allgrad {

std::optional<std::size_t> detail::RowBlock::find(std::string_view name) const {
  const std::size_t at = num_found++;
  if (at < found.size() && columns[found[at]].name == name) return found[at];
  const auto column = std::ranges::find(columns, name, &FileColumn::name);
  if (column == columns.end()) return std::nullopt;
  found.resize(at);
  found.push_back(static_cast<std::size_t>(column - columns.begin()));
  return found.back();
}

double Row::number(const Name& name, std::size_t lane, bool is_only) const {
  const auto& columns = block_->columns;
  const std::optional<std::size_t> found = block_->find(name.text);
  if (!found) {
    std::vector<std::string> names;
    for (const FileColumn& column : columns) names.push_back(column.name);
    throw DataError(
        fmt::format("expected a column that is read in ReadOptions::where, one of {}, got \"{}\"; name it in "
                    "ReadOptions::columns",
                    names, name.text),
        name.where);
  }
  const FileColumn& column = columns[*found];
  const std::size_t per_row = column.numbers_per_row();
  if (lane >= per_row || (is_only && !column.lanes.empty())) {
    throw DataError(
        fmt::format("column \"{}\" has the shape [rows{}{}]; say in ReadOptions::where which number of a row "
                    "is meant, as row(\"{}\", 0)",
                    name.text, column.lanes.empty() ? "" : ", ", fmt::join(column.lanes, ", "), name.text),
        name.where);
  }
  return block_->values[*found][index_ * per_row + lane];
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
