#pragma once

// What the examples share: their arguments, the halos that they fit, and the files that their figures are drawn from.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstddef>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xmath.hpp>

#include "allgrad/allgrad.hpp"

namespace example {

namespace ag = allgrad;

struct Options {
  std::size_t rows;  ///< halos on all ranks
  std::string output = ".";
};

/// The whole of an example's main: reads --rows and --output, and runs `body` on every rank.
inline int run(int argc, char** argv, const std::string& about, Options options,
               const std::function<void(const ag::Communicator&, const Options&)>& body) {
  CLI::App app(about);
  app.add_option("--rows", options.rows, "number of halos")->check(CLI::Range(2, 1'000'000'000))->capture_default_str();
  app.add_option("--output", options.output, "folder for the results")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return ag::run(argc, argv, [&](const ag::Communicator& world) { body(world, options); });
}

/// The numbers, from 0, of this rank's share of the rows.
inline ag::Array own_rows(std::size_t rows, const ag::Communicator& comm) {
  const auto [first, last] = ag::share_of_rows(rows, comm);
  return xt::arange<double>(static_cast<double>(first), static_cast<double>(last));
}

/// Halos with log10 masses of 10 to 11.3, as many per dex as 1 / mass; each rank makes its own share of the rows.
inline ag::Table make_halos(std::size_t rows, const ag::Communicator& comm) {
  const auto last = static_cast<double>(rows - 1);
  return ag::Table("halos", {{"log_mass", 10.0 - xt::log10(1.0 - 0.95 * own_rows(rows, comm) / last)}}, comm);
}

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
