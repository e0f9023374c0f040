#pragma once

// What the examples share: their arguments, the halos that they fit, and the files that their figures are drawn from.
// Compile them together with example.cpp.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstddef>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <tuple>

#include "allgrad/allgrad.hpp"

namespace example {

namespace ag = allgrad;

struct Options {
  std::size_t rows;  ///< halos on all ranks
  std::string output = ".";
};

/// The whole of an example's main: reads --rows and --output, and runs `body` on every rank.
int run(int argc, char** argv, const std::string& about, Options options,
        const std::function<void(const ag::Communicator&, const Options&)>& body);

/// The numbers, from 0, of this rank's share of the rows.
ag::Array own_rows(std::size_t rows, const ag::Communicator& comm);

/// Halos with log10 masses of 10 to 11.3, as many per dex as 1 / mass; each rank makes its own share of the rows.
ag::Table make_halos(std::size_t rows, const ag::Communicator& comm);

/// A table for a figure, written row by row.
class CsvFile {
 public:
  CsvFile(const std::string& path, const std::string& header) : path_(path), stream_(path) { write(header); }

  template <class... Values>
  void row(const Values&... values) {
    write(fmt::format("{}", fmt::join(std::tie(values...), ",")));
  }

 private:
  void write(const std::string& line) {
    stream_ << line << std::endl;
    if (!stream_) throw std::runtime_error("cannot write '" + path_ + "'; check its folder and the space on the disk");
  }

  std::string path_;
  std::ofstream stream_;
};

}  // namespace example
