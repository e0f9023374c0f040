#include "io/file_source.hpp"

#include <algorithm>

namespace allgrad {

FileSource::FileSource(std::unique_ptr<RowReader> reader, std::string table, const RowShare& share,
                       std::vector<Allowed> allowed, SourceLocation where)
    : reader_(std::move(reader)),
      table_(std::move(table)),
      share_(share),
      allowed_(std::move(allowed)),
      where_(where),
      row_major_(reader_->columns().size()) {}

void FileSource::read(const RowBlock& block, std::span<double* const> out, std::size_t lane_stride) {
  read_rows(block, out, lane_stride);
  reader_->unchanged_stamp();
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] == nullptr) continue;
    const FileColumn& column = reader_->columns()[i];
    for (std::size_t lane = 0; lane < column.numbers_per_row(); ++lane) {
      check_numbers(table_, column.name, {out[i] + lane * lane_stride, block.count}, allowed_[i],
                    share_.first + block.first, where_);
    }
  }
}

/// Columns of one number for each row straight to their places; where there are others, some rows at a time, since
/// files have these row by row.
void FileSource::read_rows(const RowBlock& block, std::span<double* const> out, std::size_t lane_stride) {
  constexpr std::size_t most_numbers = std::size_t{1} << 18;
  const std::vector<FileColumn>& columns = reader_->columns();
  std::size_t per_row = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] != nullptr && !columns[i].lanes.empty()) per_row += columns[i].numbers_per_row();
  }
  const std::size_t rows_at_a_time = per_row == 0 ? block.count : std::max<std::size_t>(most_numbers / per_row, 1);
  std::vector<std::span<double>> places(out.size());
  for (std::size_t begin = 0; begin < block.count; begin += rows_at_a_time) {
    const std::size_t count = std::min(rows_at_a_time, block.count - begin);
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (out[i] == nullptr) continue;
      if (!columns[i].lanes.empty()) row_major_[i].resize(count * columns[i].numbers_per_row());
      places[i] = columns[i].lanes.empty() ? std::span(out[i] + begin, count) : std::span(row_major_[i]);
    }
    reader_->read(share_.first + block.first + begin, count, places);
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (out[i] == nullptr || columns[i].lanes.empty()) continue;
      const std::size_t lanes = places[i].size() / count;
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        double* to = out[i] + lane * lane_stride + begin;
        for (std::size_t row = 0; row < count; ++row) to[row] = places[i][row * lanes + lane];
      }
    }
  }
}

}  // namespace allgrad
