#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "allgrad/communicator.hpp"
#include "allgrad/read_options.hpp"
#include "allgrad/source_location.hpp"
#include "io/file_stamp.hpp"

namespace allgrad {

/// A column of a file.
struct FileColumn {
  std::string name;
  std::vector<std::size_t> lanes = {};  ///< lengths of the axes behind the row axis
  std::string unit = {};                ///< empty where the file tells none

  std::size_t numbers_per_row() const;
};

/// A file of rows, open for reading on this rank: what all formats have in common. Used by one thread
/// at a time; calls of HDF5 and CFITSIO, which are not made for more, are locked (library_lock.hpp).
class RowReader {
 public:
  virtual ~RowReader() = default;
  RowReader(const RowReader&) = delete;
  RowReader& operator=(const RowReader&) = delete;

  const std::string& path() const { return path_; }
  const std::vector<FileColumn>& columns() const { return columns_; }  ///< that are read, in the order asked for
  std::uint64_t total_rows() const { return total_rows_; }             ///< of the whole file

  /// Where no columns are named: what else the file has, each with what it is.
  const std::vector<std::string>& left_out() const { return left_out_; }

  /// Reads the rows [first, first + count), on this rank alone: `out` has a span for each column, of count *
  /// numbers_per_row() elements, which are filled in row-major order, or none where it is not wanted. Throws DataError
  /// where the rows cannot be read or an integer is none that double can hold. A value that is missing becomes NaN.
  virtual void read(std::uint64_t first, std::size_t count, std::span<const std::span<double>> out) = 0;

  /// The same into vectors of their own. Throws DataError where they do not fit into the machine's memory.
  std::vector<std::vector<double>> read(std::uint64_t first, std::size_t count);

  /// The file as it was before and after all that has been read. Throws DataError where that is not the same.
  FileStamp unchanged_stamp() const;

 protected:
  /// Throws as stamp_readable_file.
  RowReader(std::string path, SourceLocation where);

  [[noreturn]] void fail(const std::string& message) const;

  /// A column that the file has.
  struct Candidate {
    std::string name;            ///< empty where it has none
    std::string no_number = {};  ///< what it has where that is not the same number of numbers in each row
  };

  /// The places of the columns to read: those of `names`, or where that is empty all of numbers that have a name; what
  /// the others are is left_out then. Throws DataError where one is missing or no column of numbers, where two have its
  /// name, and where there is none, with `advice`.
  std::vector<std::size_t> choose(const std::vector<Candidate>& there, const std::vector<std::string>& names,
                                  const std::string& advice);

  std::vector<FileColumn> columns_;
  std::uint64_t total_rows_ = 0;
  std::vector<std::string> left_out_;

 private:
  void check_alone(const Candidate& column, const std::vector<Candidate>& there, bool are_all_meant) const;

  std::string path_;
  SourceLocation where_;
  FileStamp stamp_;
};

/// Opens a file, whose format its first bytes tell, or else the ending of its name. Collective, inside a Call. Throws
/// DataError where the file or a column is missing or is no such thing, where `options` name columns that are not
/// read, and where the file is not the same on all ranks.
std::unique_ptr<RowReader> open_rows(const std::string& file, const ReadOptions& options, const Communicator& comm,
                                     SourceLocation where);

/// The same for an HDF5 file and a FITS file, which are not collective, and for text.
std::unique_ptr<RowReader> open_hdf5_rows(const std::string& file, const ReadOptions& options, SourceLocation where);
std::unique_ptr<RowReader> open_fits_rows(const std::string& file, const ReadOptions& options, SourceLocation where);
std::unique_ptr<RowReader> open_text_rows(const std::string& file, const ReadOptions& options, const Communicator& comm,
                                          SourceLocation where);

}  // namespace allgrad
