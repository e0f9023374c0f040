#pragma once

#include <mpi.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "allgrad/table.hpp"
#include "catch.hpp"
#include "shared_folder.hpp"
#include "world.hpp"

namespace allgrad::testing {

/// A file that the root writes for all ranks to read, gone with this object.
class SharedFile {
 public:
  SharedFile(const std::string& ending, const std::function<void(const std::string& path)>& write)
      : path_(shared_path(ending)) {
    if (world().is_root()) write(path_);
    world().synchronize();
  }
  ~SharedFile() {
    MPI_Barrier(world().handle());  // nobody reads any more
    if (world().is_root()) std::filesystem::remove(path_);
  }
  SharedFile(const SharedFile&) = delete;
  SharedFile& operator=(const SharedFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A text file.
class SharedText : public SharedFile {
 public:
  explicit SharedText(const std::string& text, const std::string& ending = ".csv")
      : SharedFile(ending, [&](const std::string& path) { std::ofstream(path, std::ios::binary) << text; }) {}
};

/// All numbers of a column, in the order of the rows and within each row, on every rank.
inline std::vector<double> all_numbers(const Table& table, const std::string& column) {
  const Array rows = gather_rows(table[column]);
  std::uint64_t size = rows.size();
  MPI_Bcast(&size, 1, MPI_UINT64_T, 0, world().handle());
  std::vector<double> numbers(rows.begin(), rows.end());
  numbers.resize(size);
  MPI_Bcast(numbers.data(), static_cast<int>(size), MPI_DOUBLE, 0, world().handle());
  return numbers;
}

}  // namespace allgrad::testing
