#pragma once

#include <memory>
#include <string>
#include <vector>

#include "allgrad/table.hpp"
#include "dsl/checked_columns.hpp"
#include "dsl/row_stream.hpp"
#include "io/row_reader.hpp"

namespace allgrad {

/// This rank's share of the rows of a file, to be read block by block. Numbers are checked as they are read: throws
/// DataError where one is not finite and not `allowed` to be so, of its column, or the file is not what it was.
class FileSource final : public RowSource {
 public:
  /// `table` is what messages call the rows.
  FileSource(std::unique_ptr<RowReader> reader, std::string table, const RowShare& share, std::vector<Allowed> allowed,
             SourceLocation where);

  void read(const RowBlock& block, std::span<double* const> out, std::size_t lane_stride) override;

 private:
  void read_rows(const RowBlock& block, std::span<double* const> out, std::size_t lane_stride);

  const std::unique_ptr<RowReader> reader_;
  const std::string table_;
  const RowShare share_;
  const std::vector<Allowed> allowed_;
  const SourceLocation where_;
  std::vector<std::vector<double>> row_major_;  ///< of each column with several numbers for each row, some rows
};

}  // namespace allgrad
